import { describe, expect, it } from "vitest";
import type { Import } from "../../api/types";
import { outcome } from "./outcome";

const done = (counts: Partial<Import>): Import => ({ created: 0, updated: 0, unchanged: 0, merged: 0, rejected: 0, ...counts }) as Import;

describe("what an import came to", () => {
  it("counts people and other rows apart", () => {
    expect(outcome(done({ created: 2916, merged: 732, rejected: 354 }))).toBe("2,916 people added; 732 merged, 354 rejected");
    expect(outcome(done({ created: 1, updated: 1 }))).toBe("1 person added, 1 person updated");
    expect(outcome(done({ rejected: 4 }))).toBe("No people added; 4 rejected");
  });
});
