import { describe, expect, it } from "vitest";
import { attributeName, mappingProblem, targetFrom, targetKey } from "./mapping-model";

describe("the column mapping", () => {
  it("makes attribute names that a template can hold", () => {
    expect(attributeName(" First Name ")).toBe("first_name");
    expect(attributeName("Zip/Post-Code")).toBe("zip_post_code");
    expect(attributeName("***")).toBe("column");
  });
  it("cannot start without a phone number", () => {
    expect(mappingProblem(["attribute:name", "ignore"])).toContain("phone number");
  });
  it("refuses two columns for one place, but not two that are left out", () => {
    expect(mappingProblem(["phone", "attribute:city", "attribute:city"])).toContain("city");
    expect(mappingProblem(["phone", "ignore", "ignore"])).toBeNull();
  });
  it("keeps a target through the select and back", () => {
    expect(targetFrom(targetKey({ attribute: "city" }))).toEqual({ attribute: "city" });
    expect(targetFrom(targetKey("consent"))).toBe("consent");
  });
});
