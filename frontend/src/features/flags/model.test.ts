import { describe, expect, it } from "vitest";
import type { Flag } from "../../api/types";
import { differences, draftOf, fieldsOf, parseShare, parseValue, reasonText, scalars, scalarText, shareText } from "./model";

const flag: Flag = {
  name: "f", version: 3, is_own: false, state: "on", in_force: false, type: "bool", value: false, off: false, description: "", enabled: true, killed: false,
  key: "targeting_key", salt: "", variants: [], prerequisites: [{ flag: "other", value: true }], targets: [{ keys: ["ana", "bo"], serve: { value: true } }],
  rules: [{ when: [{ attribute: "country", op: "in", values: ["DE", 5, "5", "a,b"] }], serve: { value: true } }],
  rollout: { percentage: 12.34, serve: { value: true } }, changed_at: null, by: null, reason: null,
};

describe("a share", () => {
  it("goes in steps of a hundredth of a percent, there and back", () => {
    for (const percent of [0, 0.01, 0.29, 12.34, 57, 100]) expect(parseShare(shareText(percent))).toBe(percent);
  });
  it("is refused when it is finer, larger or no number", () => {
    for (const text of ["", "0.001", "100.01", "-1", "1e2", "ten", "1,5"]) expect(parseShare(text)).toBeNull();
  });
});

describe("a value", () => {
  it("is of the flag's type, and never quietly of another", () => {
    expect(parseValue("int", "5")).toEqual({ ok: true, value: 5 });
    expect(parseValue("string", "5")).toEqual({ ok: true, value: "5" });
    for (const [type, text] of [["int", "5.5"], ["int", "true"], ["bool", "1"], ["float", "x"], ["json", "5"], ["json", "{"]] as const) expect(parseValue(type, text).ok).toBe(false);
  });
  it("in a rule keeps its kind, there and back", () => {
    const values = ["DE", 5, "5", true, "true", -1.5, "+4915"];
    expect(scalars(values.map(scalarText).join(", "))).toEqual(values);
  });
});

describe("an edit", () => {
  it("sends nothing while nothing differs", () => {
    expect(fieldsOf({ ...flag, rules: [] }, draftOf({ ...flag, rules: [] }))).toEqual({ fields: {}, problems: {} });
  });
  it("sends only what differs", () => {
    const draft = draftOf(flag);
    expect(fieldsOf(flag, { ...draft, rollout: { ...draft.rollout!, share: "25" } }).fields).toEqual({ rollout: { percentage: 25, serve: { value: true } } });
    expect(fieldsOf(flag, { ...draft, rollout: null }).fields).toEqual({ rollout: null });
  });
  it("names the field that cannot be sent", () => {
    const draft = draftOf({ ...flag, type: "int", value: 1, off: 0 });
    expect(fieldsOf({ ...flag, type: "int" }, { ...draft, value: "x", rollout: { share: "200", serve: { kind: "value", text: "1" } } }).problems).toMatchObject({
      value: "A whole number.", "rollout.share": "0 to 100, with at most two decimals.",
    });
  });
});

describe("a change", () => {
  it("is shown by the fields that differ", () => {
    const made = differences(null, { type: "bool", value: false, rules: [] });
    expect(made.map((entry) => entry.field)).toEqual(["type", "value"]);
    expect(differences({ value: false, killed: false }, { value: false, killed: true })).toEqual([{ field: "killed", before: "false", after: "true" }]);
  });
});

describe("a reason", () => {
  it("is said in words", () => {
    expect(reasonText("TARGETING_MATCH", "rule:2")).toBe("rule 2 matches");
    expect(reasonText("DISABLED", "killed")).toBe("the kill switch is on");
    expect(reasonText("DEFAULT", "no_key")).toBe("the context has no sticky key");
    expect(reasonText("SPLIT", null)).toBe("inside the percentage");
  });
});
