import { describe, expect, it } from "vitest";
import { perSecond } from "../../lib/format";
import { rateHint, usualRate } from "./rate";

describe("a sender's rate", () => {
  it("begins with what the channel allows, and with more where nothing limits it", () => {
    expect([usualRate("sms", false), usualRate("sms", true), usualRate("whatsapp", true)]).toEqual(["1", "20", "80"]);
  });
  it("says what it means for the people there are", () => {
    expect(rateHint(1, 2323, false)).toContain("At this rate 2,323 people take 39 min.");
    expect(rateHint(20, 2323, true)).toContain("2,323 people take 2 min");
    expect(rateHint(NaN, 2323, true)).not.toContain("At this rate");
  });
  it("is said in words that fit the number", () => {
    expect([perSecond(1), perSecond(20)]).toEqual(["1 message/s", "20 messages/s"]);
  });
});
