import { describe, expect, it } from "vitest";
import { date } from "../../lib/format";
import { attributeName, datesNote, mappingProblem, startWith, suggestedChoices, targetFrom, targetKey } from "./mapping-model";

describe("the column mapping", () => {
  it("makes attribute names that a template can hold", () => {
    expect(attributeName(" First Name ")).toBe("first_name");
    expect(attributeName("Zip/Post-Code")).toBe("zip_post_code");
    expect(attributeName("***")).toBe("column");
  });
  it("cannot start without a phone number", () => {
    expect(mappingProblem(["attribute:name", "ignore"])).toContain("phone number");
  });
  it("takes several columns of phones and of opt-outs", () => {
    expect(mappingProblem(["phone", "phone", "opt_out", "opt_out"])).toBeNull();
    expect(mappingProblem(["phone", "locale", "locale"])).toContain("locale");
  });
  it("refuses two columns for one place, but not two that are left out", () => {
    expect(mappingProblem(["phone", "attribute:city", "attribute:city"])).toContain("city");
    expect(mappingProblem(["phone", "ignore", "ignore"])).toBeNull();
  });
  it("keeps a target through the select and back", () => {
    expect(targetFrom(targetKey({ attribute: "city" }))).toEqual({ attribute: "city", dates: null });
    expect(targetFrom(targetKey("consent"))).toBe("consent");
  });
  it("states an order of dates that the file does not decide, and sends the one that was chosen", () => {
    const born = { dates: "day_first", assumed: true, example: "03/04/1990", reads_as: "1990-04-03" } as const;
    expect(datesNote(born, "day_first")).toEqual({ text: expect.stringContaining(`Read with assumptions: 03/04/1990 as ${date("1990-04-03")}`), assumed: true });
    expect(datesNote(born, "month_first").assumed).toBe(false);
    expect(datesNote({ ...born, assumed: false, example: "15/06/1990", reads_as: "1990-06-15" }, "day_first").text).toContain(`15/06/1990 is ${date("1990-06-15")}`);
    const columns = [{ name: "born", samples: [], suggested: { attribute: "born", dates: "day_first" as const }, looks_like_consent: false, dates: born }];
    const choices = { ...suggestedChoices(columns), source: "form" };
    expect(startWith(columns, choices, true).mapping).toEqual([{ column: "born", target: { attribute: "born", dates: "day_first" } }]);
    expect(startWith(columns, { ...choices, dates: ["month_first"] }, true).mapping[0]!.target).toEqual({ attribute: "born", dates: "month_first" });
    expect(startWith(columns, { ...choices, dates: [null] }, true).mapping[0]!.target).toEqual({ attribute: "born", dates: null });
  });
});
