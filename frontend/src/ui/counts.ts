import type { Counts, MessageStatus } from "../api/types";
import type { Part } from "./progress";

/** One name for each state of a message, wherever it is shown. A state is where a message is now; sums over time say "in total". */
export const messageNames: Record<MessageStatus, string> = {
  queued: "Queued", deferred: "Deferred", sending: "Sending", unknown: "Being checked", accepted: "Accepted", sent: "Sent", delivered: "Delivered", read: "Read",
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

/** Share of the audience whose message has left the queue for good, 0..1; never 1 while anyone is open. */
export function doneRatio(counts: Counts): number {
  if (counts.audience === 0) return 0;
  const open = openCount(counts);
  const ratio = (counts.audience - open) / counts.audience;
  return open > 0 ? Math.min(ratio, 0.999) : ratio;
}
