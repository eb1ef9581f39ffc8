import { useEffect, useState, useSyncExternalStore } from "react";

/** The value, once it has been still for `delay` ms. */
export function useDebounced<T>(value: T, delay = 250): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), delay);
    return () => clearTimeout(timer);
  }, [value, delay]);
  return settled;
}

export function useMediaQuery(query: string): boolean {
  return useSyncExternalStore(
    (notify) => {
      const list = matchMedia(query);
      list.addEventListener("change", notify);
      return () => list.removeEventListener("change", notify);
    },
    () => matchMedia(query).matches,
  );
}

export const useIsPhone = (): boolean => useMediaQuery("(max-width: 639px)");

let clockValue = Date.now();
const clockListeners = new Set<() => void>();
let clockTimer: ReturnType<typeof setInterval> | undefined;

function listenToClock(notify: () => void): () => void {
  clockListeners.add(notify);
  clockValue = Math.max(clockValue, Math.floor(Date.now() / 1000) * 1000);
  clockTimer ??= setInterval(() => {
    clockValue = Date.now();
    for (const listener of clockListeners) listener();
  }, 5000);
  return () => {
    clockListeners.delete(notify);
    if (clockListeners.size === 0) {
      clearInterval(clockTimer);
      clockTimer = undefined;
    }
  };
}

/** One clock for every "3 s ago" on the page; it moves each 5 s. */
export function useNow(): number {
  return useSyncExternalStore(listenToClock, () => clockValue);
}

/** True once `ms` have passed while `active`: skeletons wait 120 ms so fast answers never flash one. */
export function useAfter(ms: number, active: boolean): boolean {
  const [passed, setPassed] = useState(false);
  useEffect(() => {
    if (!active) {
      setPassed(false);
      return;
    }
    const timer = setTimeout(() => setPassed(true), ms);
    return () => clearTimeout(timer);
  }, [ms, active]);
  return passed;
}

/** The time, moving each `ms`: for what is said in seconds while it lasts. */
export function useTick(ms: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}

/** Whether a server may be reached: one on the same machine needs no network. */
export const isReachable = (hostname: string, onLine: boolean): boolean => onLine || /^(localhost$|127\.|\[::1\])/.test(hostname);

function listenToNetwork(notify: () => void): () => void {
  addEventListener("online", notify);
  addEventListener("offline", notify);
  return () => {
    removeEventListener("online", notify);
    removeEventListener("offline", notify);
  };
}

/** False while this device has no network and the server is elsewhere. */
export const useOnline = (): boolean => useSyncExternalStore(listenToNetwork, () => isReachable(location.hostname, navigator.onLine));
