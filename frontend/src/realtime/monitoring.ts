/** The tab's monitoring events. They outlive the page that shows them, so that coming back resumes. */
import { useSyncExternalStore } from "react";
import { emptyBacklog, withEvents, withSkipped, withSubscribed, type Backlog, type Row } from "./backlog";
import { offsetOf } from "./frames";
import type { LiveNotice } from "./stream";

type Said = Extract<LiveNotice, { type: "heard" | "subscribed" | "monitoring" | "skipped" }>;

const DRAW_MS = 250; // however fast events come, the page is drawn at most four times a second

let backlog: Backlog = emptyBacklog;
let arrived: Row[] = [];
let arrivedAt = "";
let drawing: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();
const taps = new Set<(row: Row) => void>();

function set(next: Backlog): void {
  backlog = next;
  for (const listener of listeners) listener();
}

/** What waits to be drawn belongs before whatever is said next. */
function settle(): Backlog {
  clearTimeout(drawing);
  drawing = undefined;
  const events = arrived;
  arrived = [];
  return events.length > 0 ? withEvents(backlog, events, arrivedAt) : backlog;
}

/** `followed`: the monitoring topics that this tab follows; the connection may follow more for others. */
export function take(said: Said, followed: readonly string[]): void {
  if (said.type === "monitoring") {
    const row = { ...said.event, offset: offsetOf(said.position) };
    arrived.push(row);
    arrivedAt = said.position;
    drawing ??= setTimeout(() => set(settle()), DRAW_MS);
    for (const tap of taps) tap(row);
  } else if (said.type === "skipped") set(withSkipped(settle(), said.from, said.to, said.position));
  else if (said.type === "subscribed") set(withSubscribed(settle(), said.said, followed.includes("monitoring")));
  else if (said.position !== "" && backlog.position !== "" && followed.length > 0) set({ ...settle(), position: said.position, catchingUp: false }); // a heartbeat: nothing waits
}

/** The connection went: what was held stays, and the next answer says what was missed. */
export function interrupted(): void {
  if (!backlog.catchingUp) set({ ...settle(), catchingUp: true });
}

/** `<epoch>:<offset>` up to which this tab has seen them. */
export const position = (): string => (arrived.length > 0 ? arrivedAt : backlog.position);

/** Hands each event that arrives live to `listener`, once; returns how to end that. */
export function tapEvents(listener: (row: Row) => void): () => void {
  taps.add(listener);
  return () => {
    taps.delete(listener);
  };
}

function subscribe(notify: () => void): () => void {
  listeners.add(notify);
  return () => listeners.delete(notify);
}

export const useBacklog = (): Backlog => useSyncExternalStore(subscribe, () => backlog);
