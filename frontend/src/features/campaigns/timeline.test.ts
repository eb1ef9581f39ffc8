import { describe, expect, it } from "vitest";
import { withQuietMinutes, type Minute } from "./timeline";

const minute = (clock: string, accepted: number): Minute => ({ minute: `2026-01-01T${clock}:00Z`, accepted, sent: 0, delivered: 0, read: 0, undelivered: 0, failed: 0, refused: 0 });

describe("withQuietMinutes", () => {
  it("puts minutes with nothing between minutes with something, and changes no figure", () => {
    const filled = withQuietMinutes([minute("10:00", 5), minute("10:03", 7)]);
    expect(filled.map((point) => point.accepted)).toEqual([5, 0, 0, 7]);
    expect(filled.map((point) => new Date(point.minute).getUTCMinutes())).toEqual([0, 1, 2, 3]);
  });

  it("leaves a campaign of weeks as it is, so that the chart stays small", () => {
    const far = [minute("10:00", 5), { ...minute("10:00", 1), minute: "2026-02-01T10:00:00Z" }];
    expect(withQuietMinutes(far)).toBe(far);
  });
});
