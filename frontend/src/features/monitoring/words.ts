import type { Breaker } from "../../api/types";
import type { Row } from "../../realtime/backlog";
import type { Category } from "../../realtime/frames";
import type { Tone } from "../../ui/chip";
import { sentence } from "../../lib/format";

export const categoryWords: Record<Category, string> = { critical: "Critical", system: "System", user_activity: "User activity", performance: "Performance", debug: "Debug" };
export const categoryTones: Record<Category, Tone> = { critical: "bad", system: "info", user_activity: "accent", performance: "neutral", debug: "neutral" };

export const breakerWords: Record<Breaker["state"], [Tone, string]> = {
  closed: ["ok", "Closed"],
  open: ["bad", "Open"],
  half_open: ["warn", "Half open"],
  forced_open: ["bad", "Held open"],
  disabled: ["warn", "Disabled"],
};

/** What each breaker stands before; one that is not known here is shown by its name alone. */
export const breakerPurposes: Record<string, string> = {
  twilio: "Handing messages to Twilio",
  twilio_lookup: "Asking Twilio about messages",
  smtp: "Sending mail",
  postgresql: "The database",
  redis: "Streams, queues and live updates",
  monitoring_database: "Writing these events to the database",
  monitoring_redis: "Publishing these events through Redis",
};

export interface Change {
  id: string;
  timestamp: string;
  words: string;
  processes: string[];
}

const TOGETHER_MS = 10_000;

/** The latest changes of a breaker's state, newest first; processes that made the same one within ten seconds are one line. */
export function changesOf(breaker: string, rows: readonly Row[], max: number): Change[] {
  const changes: Change[] = [];
  for (const row of rows) {
    if (row.event_type !== "circuit_breaker_transition" || row.data.breaker !== breaker) continue;
    const { before, after, reason, process } = row.data;
    const words = `${sentence(String(before))} to ${sentence(String(after)).toLowerCase()}: ${sentence(String(reason)).toLowerCase()}`;
    const same = changes.find((change) => change.words === words && Date.parse(change.timestamp) - Date.parse(row.timestamp) <= TOGETHER_MS);
    if (same) same.processes.push(String(process ?? ""));
    else if (changes.length === max) break;
    else changes.push({ id: row.event_id, timestamp: row.timestamp, words, processes: [String(process ?? "")] });
  }
  return changes;
}

/** Each stage in words; one that is not known here is shown by its own name. */
export const stageWords: Record<string, string> = {
  publish: "Taken in and validated",
  clients: "To browsers",
  updates: "Updates of entities, to browsers",
  direct: "To this process’s own browsers only",
  websocket: "To all processes, through Redis",
  persister: "Into the database",
};

const place = ([name, value]: [string, unknown]): number => (name === "id" || name.endsWith("_id") ? 2 : typeof value === "string" ? 0 : 1);

/** The short values of an event's data in one line, words first, ids last; zeros and the rest are in the event. */
export function summary(data: Record<string, unknown>): string {
  const parts = Object.entries(data).filter(([, value]) => value !== null && value !== 0 && typeof value !== "object");
  return parts
    .toSorted((a, b) => place(a) - place(b))
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(" · ");
}

export const matches = (row: Row, category: Category | undefined, wanted: string): boolean =>
  (category === undefined || row.category === category) &&
  (wanted === "" || `${row.event_type} ${row.source} ${row.event_id} ${JSON.stringify(row.data)} ${JSON.stringify(row.metadata)}`.toLowerCase().includes(wanted));

export interface Line {
  tone: Tone;
  word: string;
  explain: string;
  isLive: boolean;
}

const SILENT_MS = 15_000; // the server says something at least every ten seconds

/** What may be believed of the list: whether it is of now, is being brought up to date, or how old it is. */
export function lineOf(status: string, catchingUp: boolean, heardAt: number | null, now: number): Line {
  const connected = status === "live";
  if (heardAt === null && !connected) return { tone: "neutral", word: "Connecting", explain: "Opening the live connection.", isLive: false };
  const silent = heardAt === null ? 0 : Math.max(0, now - heardAt);
  if (!connected || silent > SILENT_MS)
    return { tone: "bad", word: `Stale for ${Math.round(silent / 1000)} s`, explain: "No response from the server. The connection is retried and resumes where it stopped.", isLive: false };
  if (catchingUp) return { tone: "warn", word: "Catching up", explain: "Loading what happened in the meantime.", isLive: false };
  return { tone: "ok", word: "Live", explain: "Events appear as they happen.", isLive: true };
}
