import type { Campaign, Counts, MessageStatus } from "../api/types";
import type { Part } from "./progress";

/** One name for each state of a message, wherever it is shown. A state is where a message is now; sums over time say "in total". */
export const messageNames: Record<MessageStatus, string> = {
  queued: "Queued", deferred: "Waiting for quiet hours", sending: "Sending", unknown: "Being checked", accepted: "Accepted", sent: "Sent", delivered: "Delivered", read: "Read",
  undelivered: "Undelivered", failed: "Failed", refused: "Left out", canceled: "Canceled",
};

/** The states of a campaign's people in the order they pass through them; the parts sum to the audience. */
export function countParts(counts: Counts): (Part & { id: MessageStatus })[] {
  return [
    { id: "read", label: messageNames.read, value: counts.read, tone: "ok" },
    { id: "delivered", label: messageNames.delivered, value: counts.delivered, tone: "ok", pale: counts.read > 0 },
    { id: "sent", label: messageNames.sent, value: counts.sent, tone: "info" },
    { id: "accepted", label: messageNames.accepted, value: counts.accepted, tone: "info", pale: true },
    { id: "sending", label: messageNames.sending, value: counts.sending, tone: "accent" },
    { id: "unknown", label: messageNames.unknown, value: counts.unknown, tone: "accent", pale: true },
    { id: "queued", label: messageNames.queued, value: counts.queued, tone: "neutral" },
    { id: "deferred", label: messageNames.deferred, value: counts.deferred, tone: "neutral", pale: true },
    { id: "refused", label: messageNames.refused, value: counts.refused, tone: "warn" },
    { id: "undelivered", label: messageNames.undelivered, value: counts.undelivered, tone: "bad", pale: true },
    { id: "failed", label: messageNames.failed, value: counts.failed, tone: "bad" },
    { id: "canceled", label: messageNames.canceled, value: counts.canceled, tone: "neutral", pale: true },
  ];
}

/** People for whom the campaign still has something to do or to learn. */
export const openCount = (counts: Counts): number => counts.queued + counts.deferred + counts.sending + counts.unknown;

/** Everybody that a running campaign still has to send to is in quiet hours: an ordered pause, and no incident. */
export const isQuiet = ({ status, counts }: Pick<Campaign, "status" | "counts">): boolean => status === "running" && counts.deferred > 0 && openCount(counts) === counts.deferred;

/** Messages of which it is known whether they were delivered. */
export const outcomes = (counts: Counts): number => counts.delivered + counts.read + counts.undelivered + counts.failed;

/** Messages that Twilio has taken and whose outcome is not known: delivered, read, or not. */
export const onTheWay = (counts: Counts): number => counts.accepted + counts.sent;

/** People the campaign is for: who was left out is not waited for, and no share of anything. */
export const reach = (counts: Counts): number => counts.audience - counts.refused;

/** Share of those who get it whose message has an outcome, 0..1; never 1 while one has none. */
export function doneRatio(counts: Counts): number {
  if (counts.audience === 0) return 0;
  const waiting = openCount(counts) + onTheWay(counts);
  if (waiting === 0) return 1;
  return Math.min((reach(counts) - waiting) / reach(counts), 0.999);
}

/** After this no outcome is waited for: Twilio has been asked five times, ten minutes apart as things are set by default. */
const OUTCOMES_WITHIN_MS = 3_600_000;

/** How many outcomes a campaign that has sent everything still waits for; 0 once their time is over. */
export function awaited({ status, completed_at: completedAt, counts }: Pick<Campaign, "status" | "completed_at" | "counts">, now: number): number {
  if (status !== "completed" || !completedAt || now - Date.parse(completedAt) > OUTCOMES_WITHIN_MS) return 0;
  return onTheWay(counts);
}
