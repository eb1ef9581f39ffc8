/** The monitoring events a tab holds: newest first, each once, bounded; and what is known to be missing among them. */
import { offsetOf, type MonitoringEvent, type Subscribed } from "./frames";

export const ROWS_MAX = 1000;
/** Critical events are kept beside the others, so that many of those do not push them out. */
export const CRITICAL_MAX = 100;

export interface Row extends MonitoringEvent {
  /** Its place in the channel; null for those that came with a snapshot, which does not say. */
  offset: number | null;
}

export interface Backlog {
  rows: readonly Row[];
  critical: readonly Row[];
  /** `<epoch>:<offset>` of the newest thing said; empty before the first. */
  position: string;
  /** How many are known to have gone by unseen: conflated or shed by the server, or older than its history. */
  missed: number;
  /** Rows that the bound pushed out. */
  cut: number;
  /** True between the opening of a connection and the answer that says what was missed. */
  catchingUp: boolean;
}

export const emptyBacklog: Backlog = { rows: [], critical: [], position: "", missed: 0, cut: 0, catchingUp: true };

export const newestFirst = (a: Row, b: Row): number => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : 0);

/** Puts events, given newest first, on top; those that are there already stay where they are. */
function held(backlog: Backlog, fresh: readonly Row[]): { state: Pick<Backlog, "rows" | "critical" | "cut">; added: number } {
  const known = new Set(backlog.rows.map((row) => row.event_id));
  for (const row of backlog.critical) known.add(row.event_id);
  const added = fresh.filter((row) => !known.has(row.event_id));
  const rows = [...added, ...backlog.rows];
  return {
    state: {
      rows: rows.slice(0, ROWS_MAX),
      critical: [...added.filter((row) => row.category === "critical"), ...backlog.critical].slice(0, CRITICAL_MAX),
      cut: backlog.cut + Math.max(0, rows.length - ROWS_MAX),
    },
    added: added.length,
  };
}

/** Live events as they came, oldest first. */
export function withEvents(backlog: Backlog, events: readonly Row[], position: string): Backlog {
  return { ...backlog, ...held(backlog, events.toReversed()).state, position: position || backlog.position };
}

export function withSkipped(backlog: Backlog, from: number, to: number, position: string): Backlog {
  return { ...backlog, missed: backlog.missed + (to - from + 1), position: position || backlog.position };
}

/**
 * The answer to a subscription. `wasWhole`: every category was followed, so the offsets in between that the answer does
 * not bring were missed; a new epoch begins anew, and how many were missed is not known.
 */
export function withSubscribed(backlog: Backlog, said: Subscribed, wasWhole: boolean): Backlog {
  const { state, added } = held(backlog, said.events.toReversed().map((event) => ({ ...event, offset: null })));
  const before = backlog.position.startsWith(`${said.epoch}:`) ? offsetOf(backlog.position) : null;
  const gap = wasWhole && !said.recovered && before !== null ? Math.max(0, said.offset - before - added) : 0;
  const sorted = said.recovered ? state : { ...state, rows: state.rows.toSorted(newestFirst), critical: state.critical.toSorted(newestFirst) };
  return { ...sorted, position: `${said.epoch}:${said.offset}`, missed: backlog.missed + gap, catchingUp: false };
}
