import { describe, expect, it } from "vitest";
import type { EventItem, TracedEvent } from "../../api/types";
import { traceTree } from "./trace-model";
import { added, ROWS_MAX } from "./use-tail";

const traced = (event_id: string, causation_id: string | null): TracedEvent => ({ event_id, causation_id, stream: "s", type: "T", key: "k", time: "2026-01-01T00:00:00Z", groups: [], listeners: 0 });
const item = (event_id: string): EventItem => ({ event_id, stream: "s", entry_id: null, type: "T", key: "k", time: "2026-01-01T00:00:00Z", correlation_id: null });

describe("a trace", () => {
  it("hangs every event under its cause and loses none", () => {
    const [root] = traceTree([traced("a", null), traced("b", "a"), traced("c", "b"), traced("d", "a")]);
    expect(root!.led.map((node) => node.event.event_id)).toEqual(["b", "d"]);
    expect(root!.led[0]!.led.map((node) => node.event.event_id)).toEqual(["c"]);
  });
  it("begins anew where the cause is no longer kept", () => {
    expect(traceTree([traced("b", "gone"), traced("c", "c")]).map((node) => node.event.event_id)).toEqual(["b", "c"]);
  });
});

describe("a tail", () => {
  it("shows each event once, newest first, and stays bounded", () => {
    expect(added([item("b"), item("a")], [item("c"), item("b")]).map((row) => row.event_id)).toEqual(["c", "b", "a"]);
    const many = Array.from({ length: ROWS_MAX }, (_, index) => item(`m${index}`));
    expect(added([item("a")], many)).toHaveLength(ROWS_MAX);
  });
});
