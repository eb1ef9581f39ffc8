import { describe, expect, it } from "vitest";
import { draftOf, furthest, inputOf, missing, savable } from "./draft";

const named = { ...draftOf(), name: "Spring", timezone: "UTC" };

describe("a campaign's draft", () => {
  it("can be saved with a name and a template, before there is a sender", () => {
    const draft = { ...named, template_id: "t" };
    expect(savable(named)).toBe(false);
    expect(savable(draft)).toBe(true);
    expect(furthest(draft)).toBe("delivery");
    expect(inputOf(draft)).toMatchObject({ name: "Spring", template_id: "t", sender_id: null });
  });
  it("is not sent while something in it is wrong", () => {
    const draft = { ...named, template_id: "t", messages_per_second: "many" };
    expect(savable(draft)).toBe(false);
    expect(missing({ ...draft, sender_id: "s" }, "delivery")).toMatchObject({ field: "messages_per_second", message: expect.stringContaining("rate") });
    expect(missing(draftOf(), "audience")?.field).toBe("name");
  });
});
