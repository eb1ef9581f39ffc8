import { describe, expect, it } from "vitest";
import type { Row } from "../../realtime/backlog";
import { changesOf, lineOf, matches, summary } from "./words";

const row: Row = { event_id: "e1", event_type: "import_changed", timestamp: "2026-01-01T00:00:00Z", source: "messaging.imports.v1", category: "user_activity", data: { file: "Spring.csv", rows: 3, deep: {} }, metadata: {}, offset: 1 };

describe("what is said of the line", () => {
  it("is live only while the server is heard and nothing is being caught up", () => {
    expect(lineOf("live", false, 100_000, 109_000).word).toBe("Live");
    expect(lineOf("live", true, 100_000, 101_000).word).toBe("Catching up");
  });

  it("says for how long nothing was heard", () => {
    expect(lineOf("reconnecting", true, 100_000, 107_400).word).toBe("Stale for 7 s");
    expect(lineOf("live", false, 100_000, 120_000).word).toBe("Stale for 20 s");
  });

  it("claims no age before the first word", () => {
    expect(lineOf("connecting", true, null, 5).word).toBe("Connecting");
  });
});

describe("finding an event", () => {
  it("looks into its type, source and data, within its category", () => {
    expect(matches(row, undefined, "spring")).toBe(true);
    expect(matches(row, "user_activity", "imports.v1")).toBe(true);
    expect(matches(row, "critical", "")).toBe(false);
    expect(matches(row, undefined, "autumn")).toBe(false);
  });

  it("shows short values only, words before figures before ids", () => {
    expect(summary({ import_id: "7", merged: 0, ...row.data })).toBe("file Spring.csv · rows 3 · import_id 7");
  });
});

describe("the changes of a breaker", () => {
  const change = (second: number, process: string, before: string, after: string, breaker = "twilio"): Row => ({
    ...row,
    event_id: `${second}-${process}-${breaker}`,
    event_type: "circuit_breaker_transition",
    timestamp: new Date(second * 1000).toISOString(),
    data: { breaker, process, before, after, reason: "operator" },
  });

  it("are one line where processes made the same one together", () => {
    const rows = [change(62, "work-2", "forced_open", "closed"), change(61, "serve-1", "forced_open", "closed"), change(60, "work-2", "closed", "forced_open"), change(59, "serve-1", "closed", "forced_open"), change(59, "serve-1", "closed", "open", "redis")];
    expect(changesOf("twilio", rows, 3).map(({ words, processes }) => [words, ...processes])).toEqual([
      ["Forced open to closed: operator", "work-2", "serve-1"],
      ["Closed to forced open: operator", "work-2", "serve-1"],
    ]);
  });

  it("stay apart over time, and no more than asked for are shown", () => {
    const rows = [90, 70, 50, 30].map((second) => change(second, "serve-1", "closed", "forced_open"));
    expect(changesOf("twilio", rows, 3).map(({ id }) => id)).toEqual(["90-serve-1-twilio", "70-serve-1-twilio", "50-serve-1-twilio"]);
  });
});
