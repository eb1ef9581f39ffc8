import { describe, expect, it } from "vitest";
import { eventIdError } from "./words";

describe("an event's id", () => {
  it("is a UUID, and a text that is none is told what one looks like", () => {
    expect(["", "019a1f2e-7c1a-7b3e-9d5f-2a4c6e8b0d1f", "019A1F2E-7C1A-7B3E-9D5F-2A4C6E8B0D1F"].map(eventIdError)).toEqual([undefined, undefined, undefined]);
    for (const wrong of ["nonsense", "1795231172902-17", "019a1f2e7c1a7b3e9d5f2a4c6e8b0d1f", "019a1f2e-7c1a-7b3e-9d5f-2a4c6e8b0d1"]) expect(eventIdError(wrong)).toMatch(/UUID, such as 019a1f2e-/);
  });
});
