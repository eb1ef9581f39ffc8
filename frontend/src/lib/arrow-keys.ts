const PAGE = 10;

/** Where a key leads in a list of `length`, or null if it is none of ours. j and k are for whoever has single-key shortcuts on. */
export function nextIndex(key: string, index: number, length: number, letters: boolean): number | null {
  const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE, Home: -Infinity, End: Infinity, ...(letters ? { j: 1, k: -1 } : {}) };
  const step = steps[key];
  return step === undefined ? null : Math.max(0, Math.min(length - 1, index + step));
}
