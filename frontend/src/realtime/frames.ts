/** What the live connection says about monitoring events, as the server writes it (see `live/protocol.py`). */

export const categories = ["critical", "system", "user_activity", "performance", "debug"] as const;
export type Category = (typeof categories)[number];

export interface MonitoringEvent {
  event_id: string;
  event_type: string;
  timestamp: string;
  source: string;
  category: Category;
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
}

/** The answer to a subscription: `events` is what was missed where it was recovered, else the latest state to begin from. */
export interface Subscribed {
  epoch: string;
  offset: number;
  recovered: boolean;
  events: MonitoringEvent[];
}

const MONITORING = "monitoring";

export const isMonitoring = (topic: string): boolean => topic === MONITORING || topic.startsWith(`${MONITORING}:`);

export const hears = (topics: readonly string[], category: string): boolean => topics.includes(MONITORING) || topics.includes(`${MONITORING}:${category}`);

/** Whether a position reached under `held` says what was missed of `wanted`: under fewer categories the others went by unseen. */
export const covers = (held: readonly string[], wanted: readonly string[]): boolean => held.includes(MONITORING) || wanted.every((topic) => held.includes(topic));

/** The part of a position that stands for monitoring events, `<epoch>:<offset>`; empty where there is none. */
export const monitoringPart = (position: string | null): string => position?.split("~")[1] ?? "";

/** A position without it: the next answer is a snapshot. */
export const withoutMonitoring = (position: string | null): string | null => position?.split("~")[0] || null;

export const offsetOf = (part: string): number | null => {
  const offset = Number(part.split(":")[1] ?? "");
  return part.includes(":") && Number.isSafeInteger(offset) ? offset : null;
};
