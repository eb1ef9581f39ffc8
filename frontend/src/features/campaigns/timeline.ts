import type { CampaignSummary } from "../../api/types";

export type Minute = CampaignSummary["timeline"][number];
const MINUTE_MS = 60_000;
const LONGEST = 3 * 1440; // minutes; above, gaps stay as the server gave them

/** Minutes in which nothing happened are minutes with nothing, not a slope between their neighbours. */
export function withQuietMinutes(points: Minute[]): Minute[] {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return points;
  const from = Date.parse(first.minute);
  const steps = Math.round((Date.parse(last.minute) - from) / MINUTE_MS);
  if (steps > LONGEST) return points;
  const known = new Map(points.map((point) => [Date.parse(point.minute), point]));
  const nothing = { accepted: 0, sent: 0, delivered: 0, read: 0, undelivered: 0, failed: 0, refused: 0 };
  return Array.from({ length: steps + 1 }, (_, step) => {
    const at = from + step * MINUTE_MS;
    return known.get(at) ?? { ...nothing, minute: new Date(at).toISOString() };
  });
}
