import { useEffect, useRef, useState } from "react";
import type { EventFilters } from "../../api/backbone";
import { beFresh } from "../../api/session";
import type { EventItem } from "../../api/types";

/** Rows kept on the page; older ones are still in the log. */
export const ROWS_MAX = 300;

export type TailState = "connecting" | "live" | "lost" | "hidden";

interface Tail {
  rows: EventItem[];
  state: TailState;
  paused: boolean;
  /** How many came while it stood still; those beyond the bound were not kept. */
  waiting: number;
  /** True when more came at once than the server hands out. */
  skipped: boolean;
  toggle: () => void;
}

/** Newest first, each event once, at most `ROWS_MAX`. */
export function added(rows: EventItem[], fresh: EventItem[]): EventItem[] {
  const known = new Set(rows.map((row) => row.event_id));
  return [...fresh.filter((row) => !known.has(row.event_id)), ...rows].slice(0, ROWS_MAX);
}

const address = (filters: EventFilters): string => {
  const query = new URLSearchParams(Object.entries(filters).filter((entry): entry is [string, string] => Boolean(entry[1])));
  return `/api/v1/backbone/tail${query.size > 0 ? `?${query}` : ""}`;
};

/**
 * Follows the log from now on, on top of `before`. The connection is closed while the page is hidden: browsers allow
 * six to one server, and a tab nobody looks at must not hold one.
 */
export function useTail(filters: EventFilters, before: EventItem[]): Tail {
  const [fresh, setFresh] = useState<EventItem[]>([]);
  const [state, setState] = useState<TailState>("connecting");
  const [skipped, setSkipped] = useState(false);
  const [frozen, setFrozen] = useState<EventItem[] | null>(null);
  const pending = useRef<EventItem[]>([]);
  const url = address(filters);

  useEffect(() => {
    setFresh([]);
    setFrozen(null);
    setSkipped(false);
  }, [url]);

  useEffect(() => {
    let source: EventSource | null = null;
    let isWanted = true;
    const open = () => {
      if (document.hidden || source) return;
      setState("connecting");
      void beFresh().then(() => isWanted && !source && !document.hidden && follow());
    };
    const follow = () => {
      source = new EventSource(url);
      source.onopen = () => setState("live");
      source.onerror = () => setState("lost");
      source.addEventListener("event", (event: MessageEvent<string>) => pending.current.unshift(JSON.parse(event.data) as EventItem));
      source.addEventListener("skipped", () => setSkipped(true));
    };
    const close = () => {
      source?.close();
      source = null;
    };
    const seen = () => {
      if (document.hidden) {
        close();
        setState("hidden");
      } else open();
    };
    // Drawn at most four times a second, however fast the log is.
    const drawing = setInterval(() => {
      const batch = pending.current.splice(0);
      if (batch.length > 0) setFresh((rows) => added(rows, batch));
    }, 250);
    open();
    document.addEventListener("visibilitychange", seen);
    return () => {
      isWanted = false;
      close();
      clearInterval(drawing);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [url]);

  const all = added(before, fresh);
  const top = frozen?.[0]?.event_id;
  return {
    rows: frozen ?? all,
    state,
    paused: frozen !== null,
    waiting: frozen === null ? 0 : top === undefined ? all.length : Math.max(0, all.findIndex((row) => row.event_id === top)),
    skipped,
    toggle: () => setFrozen(frozen === null ? all : null),
  };
}
