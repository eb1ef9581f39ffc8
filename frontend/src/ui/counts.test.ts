import { describe, expect, it } from "vitest";
import type { Counts } from "../api/types";
import { awaited, countParts, doneRatio, isQuiet } from "./counts";

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
  it("are done with outcomes, not with having been sent", () => {
    expect(doneRatio(counts({ audience: 80, sent: 73, accepted: 7 }))).toBe(0);
    expect(doneRatio(counts({ audience: 100, sent: 20, delivered: 60, refused: 20 }))).toBe(0.75);
    expect(doneRatio(counts({ audience: 3, refused: 3 }))).toBe(1);
  });
  it("tell an ordered wait from one that nobody ordered", () => {
    const waiting = counts({ audience: 9, delivered: 4, deferred: 5 });
    expect(isQuiet({ status: "running", counts: waiting })).toBe(true);
    expect(isQuiet({ status: "running", counts: { ...waiting, queued: 1 } })).toBe(false);
    expect(isQuiet({ status: "paused", counts: waiting })).toBe(false);
  });
  it("are waited for an hour after the last was sent", () => {
    const campaign = { status: "completed" as const, completed_at: "2026-01-01T12:00:00Z", counts: counts({ audience: 80, sent: 73, accepted: 7 }) };
    expect(awaited(campaign, Date.parse("2026-01-01T12:00:08Z"))).toBe(80);
    expect(awaited(campaign, Date.parse("2026-01-01T13:00:01Z"))).toBe(0);
    expect(awaited({ ...campaign, status: "running", completed_at: null }, Date.parse("2026-01-01T12:00:00Z"))).toBe(0);
  });
});
