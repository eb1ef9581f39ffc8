/** localStorage that survives private windows: a refused read is the default, a refused write is dropped. */

export function read<T>(key: string, fallback: T): T {
  try {
    const raw = localStorage.getItem(`ese.${key}`);
    return raw === null ? fallback : (JSON.parse(raw) as T);
  } catch {
    return fallback;
  }
}

export function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(`ese.${key}`, JSON.stringify(value));
  } catch {
    // Storage is full or blocked; the setting lasts for this page only.
  }
}
