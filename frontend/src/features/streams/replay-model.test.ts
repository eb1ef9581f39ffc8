import { describe, expect, it } from "vitest";
import { rateError, rateOf } from "./rate";
import { blankReplay, entryIdError, rangeErrors, replayInput, type ReplayForm } from "./replay-model";

const asked = (patch: Partial<ReplayForm>): ReplayForm => ({ ...blankReplay, group: "messaging.apply_receipts", ...patch });

describe("what a replay asks for", () => {
  it("names the range by entry ids or by times, never by both", () => {
    const both = { fromTime: "2026-11-20T08:00", fromEntry: " 1795231172902-17 ", toEntry: "1795231172903-0" };
    expect(replayInput(asked({ ...both, by: "entry" }), true)).toEqual({ group: "messaging.apply_receipts", dry_run: true, from_entry_id: "1795231172902-17", to_entry_id: "1795231172903-0" });
    expect(replayInput(asked({ ...both, by: "time" }), false)).toEqual({ group: "messaging.apply_receipts", dry_run: false, from_time: new Date("2026-11-20T08:00").toISOString() });
  });
  it("leaves out what is empty", () => {
    expect(replayInput(asked({ types: "A, ,B", rate: "50", by: "entry" }), true)).toEqual({ group: "messaging.apply_receipts", dry_run: true, types: ["A", "B"], per_second: 50 });
  });
});

describe("a replay's range", () => {
  it("takes an entry id of milliseconds and a number, and nothing else", () => {
    expect(["", "0-0", "1795231172902-17"].map(entryIdError)).toEqual([undefined, undefined, undefined]);
    for (const wrong of ["nonsense", "1795231172902", "1795231172902-", "-17", "1-2-3", "12345678901234567890-1", "2026-11-20"]) expect(entryIdError(wrong)).toContain("1795231172902-17");
  });
  it("may be one entry, and may not end before it begins", () => {
    const range = (fromEntry: string, toEntry: string) => rangeErrors(asked({ by: "entry", fromEntry, toEntry }));
    expect(range("1795231172902-17", "1795231172902-17")).toEqual({});
    expect(range("1795231172902-9", "1795231172902-17")).toEqual({});
    expect(range("1795231172902-17", "1795231172902-9").to).toContain("before the first");
    expect(range("10-0", "9-5").to).toContain("before the first");
    expect(range("x", "y")).toEqual({ from: entryIdError("x"), to: entryIdError("y") });
  });
  it("is not refused for what stands in the fields that are not shown", () => {
    expect(rangeErrors(asked({ by: "time", fromEntry: "nonsense" }))).toEqual({});
    expect(rangeErrors(asked({ by: "entry", fromTime: "2026-11-20T09:00", toTime: "2026-11-20T08:00" }))).toEqual({});
    expect(rangeErrors(asked({ by: "time", fromTime: "2026-11-20T09:00", toTime: "2026-11-20T08:00" })).to).toContain("later");
  });
});

describe("a rate", () => {
  it("is a whole number within the API's bounds, or none", () => {
    expect(["", " ", "1", "50", "10000"].map(rateError)).toEqual([undefined, undefined, undefined, undefined, undefined]);
    for (const wrong of ["-5", "0", "1.5", "10001", "99999999", "many"]) expect(rateError(wrong)).toBe("Write a whole number from 1 to 10,000, or leave it empty.");
    expect([rateOf(""), rateOf("50")]).toEqual([undefined, 50]);
  });
});
