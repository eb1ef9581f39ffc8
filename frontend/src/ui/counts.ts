import type { Counts, MessageStatus } from "../api/types";
import type { Part } from "./progress";

/** The states of a campaign's people in the order they pass through them; the parts sum to the audience. */
export function countParts(counts: Counts): (Part & { id: MessageStatus })[] {
  return [
    { id: "read", label: "Read", value: counts.read, tone: "ok" },
    { id: "delivered", label: "Delivered", value: counts.delivered, tone: "ok", pale: counts.read > 0 },
    { id: "sent", label: "Sent", value: counts.sent, tone: "info" },
    { id: "accepted", label: "Accepted", value: counts.accepted, tone: "info", pale: true },
    { id: "sending", label: "Sending", value: counts.sending, tone: "accent" },
    { id: "unknown", label: "Being checked", value: counts.unknown, tone: "accent", pale: true },
    { id: "queued", label: "Queued", value: counts.queued, tone: "neutral" },
    { id: "deferred", label: "Deferred", value: counts.deferred, tone: "neutral", pale: true },
    { id: "refused", label: "Refused", value: counts.refused, tone: "warn" },
    { id: "undelivered", label: "Undelivered", value: counts.undelivered, tone: "bad", pale: true },
    { id: "failed", label: "Failed", value: counts.failed, tone: "bad" },
    { id: "canceled", label: "Canceled", value: counts.canceled, tone: "neutral", pale: true },
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
