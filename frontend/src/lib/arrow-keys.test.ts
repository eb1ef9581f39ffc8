import { describe, expect, it } from "vitest";
import { nextIndex } from "./arrow-keys";

describe("keys in a list", () => {
  it("go from row to row and stop at the ends", () => {
    expect(nextIndex("ArrowDown", 3, 5, false)).toBe(4);
    expect(nextIndex("ArrowDown", 4, 5, false)).toBe(4);
    expect(nextIndex("PageUp", 4, 50, false)).toBe(0);
    expect([nextIndex("Home", 7, 50, false), nextIndex("End", 7, 50, false)]).toEqual([0, 49]);
  });
  it("are letters only where single-key shortcuts are on", () => {
    expect([nextIndex("j", 0, 5, true), nextIndex("k", 1, 5, true)]).toEqual([1, 0]);
    expect(nextIndex("j", 0, 5, false)).toBeNull();
    expect(nextIndex("Enter", 0, 5, true)).toBeNull();
  });
});
