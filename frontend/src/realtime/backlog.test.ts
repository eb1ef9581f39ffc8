import { describe, expect, it } from "vitest";
import { CRITICAL_MAX, ROWS_MAX, emptyBacklog, withEvents, withSkipped, withSubscribed, type Row } from "./backlog";
import type { Category } from "./frames";

const event = (n: number, category: Category = "system"): Row => ({
  event_id: `e${n}`,
  event_type: "flag_changed",
  timestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, n)).toISOString(),
  source: "test",
  category,
  data: {},
  metadata: {},
  offset: n,
});
const range = (from: number, to: number, category?: Category): Row[] => Array.from({ length: to - from + 1 }, (_, n) => event(from + n, category));
const ids = (rows: readonly Row[]): string[] => rows.map((row) => row.event_id);
const begun = withSubscribed(emptyBacklog, { epoch: "a", offset: 3, recovered: false, events: range(1, 3) }, true);

describe("the monitoring events of a tab", () => {
  it("begins with the latest state, newest first, and has missed nothing", () => {
    expect(ids(begun.rows)).toEqual(["e3", "e2", "e1"]);
    expect(begun).toMatchObject({ position: "a:3", missed: 0, catchingUp: false });
  });

  it("adds what was missed once, and says so when nothing was lost", () => {
    const live = withEvents(begun, range(4, 5), "a:5");
    const resumed = withSubscribed(live, { epoch: "a", offset: 7, recovered: true, events: range(5, 7) }, true);
    expect(ids(resumed.rows)).toEqual(["e7", "e6", "e5", "e4", "e3", "e2", "e1"]);
    expect(resumed.missed).toBe(0);
  });

  it("counts what the server's history did not have any more", () => {
    const resumed = withSubscribed(begun, { epoch: "a", offset: 2000, recovered: false, events: range(1901, 2000) }, true);
    expect(resumed.missed).toBe(1897);
    expect(resumed.rows[0]!.event_id).toBe("e2000");
  });

  it("does not claim a loss where only some categories were followed", () => {
    expect(withSubscribed(begun, { epoch: "a", offset: 50, recovered: false, events: [] }, false).missed).toBe(0);
  });

  it("begins anew with another epoch, and keeps what it has", () => {
    const other = withSubscribed(begun, { epoch: "b", offset: 1, recovered: false, events: [event(9)] }, true);
    expect(ids(other.rows)).toEqual(["e9", "e3", "e2", "e1"]);
    expect(other).toMatchObject({ position: "b:1", missed: 0 });
  });

  it("counts a skipped range as missed and goes on behind it", () => {
    expect(withSkipped(begun, 4, 9, "a:9")).toMatchObject({ missed: 6, position: "a:9" });
  });

  it("holds a bounded number, counts what it cut, and keeps the critical ones", () => {
    const critical = withEvents(begun, [event(4, "critical")], "a:4");
    const full = withEvents(critical, range(5, ROWS_MAX + 10), `a:${ROWS_MAX + 10}`);
    expect(full.rows).toHaveLength(ROWS_MAX);
    expect(full.cut).toBe(10);
    expect(ids(full.critical)).toEqual(["e4"]);
    expect(withEvents(full, range(2000, 2200, "critical"), "a:2200").critical).toHaveLength(CRITICAL_MAX);
  });
});
