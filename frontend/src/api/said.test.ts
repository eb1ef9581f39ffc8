import { describe, expect, it } from "vitest";
import { Problem } from "./problem";
import { saidOnce } from "./said";

const invalid = (detail: string, ...errors: [string, string][]) =>
  new Problem({ status: 422, code: "invalid", title: "The input is not valid", detail, errors: errors.map(([field, message]) => ({ field, message })) });

describe("a problem above a form", () => {
  it("is not told when the field says it", () => {
    expect(saidOnce(invalid("Write a number.", ["address", "Write a number."]), ["address"])).toBeNull();
  });
  it("tells once what has no place of its own, without the field's name in code", () => {
    expect(saidOnce(invalid("Write a number.", ["address", "Write a number."]), ["name"])).toEqual({ headline: "Write a number.", detail: null, rest: [] });
  });
  it("says what is wrong with a file instead of that something is", () => {
    expect(saidOnce(invalid("The file is empty."), [])).toEqual({ headline: "The file is empty.", detail: null, rest: [] });
  });
  it("keeps the title where it is the news", () => {
    const full = new Problem({ status: 507, code: "disk_full", title: "No room on the disk", detail: "Free some." });
    expect(saidOnce(full, [])).toEqual({ headline: "No room on the disk", detail: "Free some.", rest: [] });
  });
});
