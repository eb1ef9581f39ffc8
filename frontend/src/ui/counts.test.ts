import { describe, expect, it } from "vitest";
import type { Counts } from "../api/types";
import { countParts, doneRatio } from "./counts";

const counts = (known: Partial<Counts>): Counts => ({
  audience: 0, queued: 0, deferred: 0, sending: 0, unknown: 0, accepted: 0, sent: 0, delivered: 0, read: 0, undelivered: 0, failed: 0, refused: 0, canceled: 0, ...known,
});

describe("a campaign's counts", () => {
  it("are all drawn: the parts sum to the audience", () => {
    const all = counts({ queued: 1, deferred: 2, sending: 3, unknown: 4, accepted: 5, sent: 6, delivered: 7, read: 8, undelivered: 9, failed: 10, refused: 11, canceled: 12, audience: 78 });
    expect(countParts(all).reduce((sum, part) => sum + part.value, 0)).toBe(all.audience);
  });
  it("never read as done while one person is still open", () => {
    expect(doneRatio(counts({ audience: 1_000_000, delivered: 999_999, queued: 1 }))).toBeLessThan(1);
    expect(doneRatio(counts({ audience: 2, delivered: 1, refused: 1 }))).toBe(1);
  });
});
