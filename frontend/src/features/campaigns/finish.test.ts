import { describe, expect, it } from "vitest";
import type { Counts } from "../../api/types";
import { finishHint, finishWords } from "./finish";
import { stateOptions } from "./state-options";

describe("the expected finish", () => {
  const data = { eligible: 2323, expected_finish: "2026-01-02T08:02:00Z", expected_seconds: 30_000, sending_seconds: 116, quiet_now: 2169 };
  it("says what is quiet hours and what is sending", () => {
    expect(finishHint(data)).toMatch(/^by .*; sending alone takes 2 min, the rest is quiet hours; 2,169 wait for theirs to end$/);
    expect(finishHint({ ...data, expected_seconds: 116, quiet_now: 0 })).toMatch(/^by [^;]*$/);
    expect(finishHint({ ...data, eligible: 0 })).toBe("nobody to send to");
  });
});

describe("the time that is left", () => {
  const at = Date.parse("2026-01-01T22:00:00Z");
  const quiet = { people: 164, first_until: "2026-01-02T08:00:00Z", last_until: "2026-01-02T08:00:30Z" };
  it("counts those who wait for quiet hours", () => {
    const words = finishWords({ sending: 713, eta_sending: "2026-01-01T22:01:11Z", quiet, eta: "2026-01-02T08:00:46Z" }, at);
    expect(words).toMatch(/^713 now, done in 1 min · 164 wait for quiet hours until .* · all done .*$/);
  });
  it("leaves out what is not known", () => {
    expect(finishWords({ sending: 0, eta_sending: null, quiet, eta: null }, at)).toMatch(/^164 wait for quiet hours until [^·]*$/);
  });
});

describe("the filter by state", () => {
  it("keeps the chosen state when nobody is in it any more", () => {
    const counts = { audience: 2, delivered: 2, queued: 0 } as unknown as Counts;
    expect(stateOptions(counts, "queued").map((option) => option.id)).toEqual(["any", "delivered", "queued"]);
    expect(stateOptions(counts).map((option) => option.id)).toEqual(["any", "delivered"]);
  });
});
