import { QueryClient, type InfiniteData } from "@tanstack/react-query";
import { describe, expect, it } from "vitest";
import type { Inbound, Page } from "../api/types";
import { LivePatcher, patched, patchPages, prependInbound } from "./patches";
import type { LiveUpdate } from "./stream";

interface Row {
  id: string;
  version: number;
  status?: string;
}

const update = (version: number, patch: Record<string, unknown>, id = "a", kind = "campaign"): LiveUpdate => ({ topic: kind, kind, id, version, patch });
const pages = (...items: Row[]): InfiniteData<Page<Row>> => ({ pages: [{ items, next_cursor: null }], pageParams: [undefined] });
const message = (id: string, kind: Inbound["kind"] = "text"): Inbound => ({ id, phone: "+351 •••", name: null, phone_masked: "+351 •••", channel: "sms", kind, text: "", received_at: "2026-01-01T00:00:00Z", applied: true, effect: null, contact_id: null });

describe("patches", () => {
  it("applies a newer version and takes its number", () => {
    expect(patched({ id: "a", version: 1, status: "running" }, update(2, { status: "paused" }))).toEqual({ id: "a", version: 2, status: "paused" });
  });

  it("never lets an older frame undo what was fetched", () => {
    const row = { id: "a", version: 3, status: "canceled" };
    expect(patched(row, update(2, { status: "running" }))).toBe(row);
  });

  it("counts by the counts' own sequence, whatever the row's version is", () => {
    const cache = new QueryClient();
    const counts = (delivered: number) => ({ counts: { audience: 10, delivered } });
    cache.setQueryData(["campaigns", "detail", "a"], { id: "a", version: 7, counts: { audience: 10, delivered: 0 } });
    const delivered = () => cache.getQueryData<{ version: number; counts: { delivered: number } }>(["campaigns", "detail", "a"]);
    const patcher = new LivePatcher(cache);
    patcher.apply(update(2, counts(4), "a", "campaign_counts"));
    patcher.apply(update(1, counts(1), "a", "campaign_counts"));
    expect(delivered()).toMatchObject({ version: 7, counts: { delivered: 4 } });
  });

  it("leaves a report whole: its figures change together, with the next answer", () => {
    const cache = new QueryClient();
    const report = { campaign: { id: "a", version: 1, counts: { audience: 3, delivered: 1 } }, counts: { audience: 3, delivered: 1 }, funnel: { delivered: 1 } };
    cache.setQueryData(["campaigns", "summary", "a"], report);
    new LivePatcher(cache).apply(update(5, { counts: { audience: 3, delivered: 2 } }, "a", "campaign_counts"));
    expect(cache.getQueryData(["campaigns", "summary", "a"])).toBe(report);
  });

  it("keeps the counts when the row changes", () => {
    const cache = new QueryClient();
    cache.setQueryData(["campaigns", "detail", "a"], { id: "a", version: 1, status: "running", counts: { audience: 3 } });
    new LivePatcher(cache).apply(update(2, { status: "paused" }));
    expect(cache.getQueryData(["campaigns", "detail", "a"])).toEqual({ id: "a", version: 2, status: "paused", counts: { audience: 3 } });
  });

  it("leaves a list that does not hold the row as it is, so nothing redraws", () => {
    const data = pages({ id: "b", version: 1 });
    expect(patchPages(data, update(2, { status: "paused" }))).toBe(data);
  });

  it("patches the row in place and keeps the order", () => {
    const data = patchPages(pages({ id: "b", version: 1 }, { id: "a", version: 1 }), update(2, { status: "paused" }));
    expect(data?.pages[0]?.items.map((row) => row.id)).toEqual(["b", "a"]);
    expect(data?.pages[0]?.items[1]?.status).toBe("paused");
  });

  it("puts a new inbound message on top once, however often it is replayed", () => {
    const start: InfiniteData<Page<Inbound>> = { pages: [{ items: [message("1")], next_cursor: null }], pageParams: [undefined] };
    const once = prependInbound(start, message("2"));
    expect(prependInbound(once, message("2"))).toBe(once);
    expect(once?.pages[0]?.items.map((row) => row.id)).toEqual(["2", "1"]);
  });

  it("keeps a message out of a list that is filtered to another kind", () => {
    const cache = new QueryClient();
    const empty = { pages: [{ items: [], next_cursor: null }], pageParams: [undefined] };
    cache.setQueryData(["inbound", { kind: "stop" }], empty);
    cache.setQueryData(["inbound", {}], empty);
    new LivePatcher(cache).apply(update(1, { ...message("9") }, "9", "inbound"));
    expect(cache.getQueryData<typeof empty>(["inbound", { kind: "stop" }])?.pages[0]?.items).toHaveLength(0);
    expect(cache.getQueryData<typeof empty>(["inbound", {}])?.pages[0]?.items).toHaveLength(1);
  });
});
