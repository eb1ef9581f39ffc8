import { describe as group, expect, it } from "vitest";
import type { AttributeInfo, Op, Rule } from "../../api/types";
import { complete, describe, edit, emptyRoot, leaves, move, opsFor, repeated, toRoot, toRule, valueKind, type Group } from "./rules";
import { defaultValue, nextLeaf } from "./value-field";

const rule: Rule = {
  all: [
    { field: "attributes.city", op: "eq", value: "Lisbon" },
    { not: { any: [{ field: "topics", op: "missing" }, { field: "attributes.points", op: "gte", value: 300 }] } },
  ],
};

group("the rule tree", () => {
  it("gives back the rule it was made from", () => {
    expect(toRule(toRoot(rule))).toEqual(rule);
  });

  it("drops a double negation, which means nothing", () => {
    expect(toRule(toRoot({ not: { not: rule } }))).toEqual(rule);
  });

  it("wraps a single rule in a group so that others can join it", () => {
    expect(toRule(toRoot({ field: "consent", op: "eq", value: "opted_in" }))).toEqual({ all: [{ field: "consent", op: "eq", value: "opted_in" }] });
  });

  it("removes one node and keeps its siblings", () => {
    const root = toRoot(rule);
    const left = edit(root, root.children[0]!.id, () => null) as Group;
    expect(left.children.map((child) => child.id)).toEqual([root.children[1]!.id]);
  });

  it("moves a node among its siblings and no further", () => {
    const root = toRoot(rule);
    const [first, second] = root.children.map((child) => child.id);
    expect((move(root, second!, -1) as Group).children.map((child) => child.id)).toEqual([second, first]);
    expect(toRule(move(root, first!, -1))).toEqual(rule);
  });

  it("is not complete while a value is empty, so it is not counted", () => {
    expect(complete(emptyRoot())).toBe(true);
    expect(complete(toRoot({ all: [{ field: "attributes.city", op: "eq", value: "" }] }))).toBe(false);
    expect(complete(toRoot({ all: [{ field: "attributes.city", op: "exists" }] }))).toBe(true);
    expect(complete(toRoot({ all: [] }))).toBe(false);
  });

  it("is not complete while a value does not fit its comparison, so nothing is asked that cannot be answered", () => {
    const attributes = [{ name: "age", count: 1, sample: ["29"], numeric: true, date: false }, { name: "since", count: 1, sample: ["2026-01-01"], numeric: false, date: true }];
    const leaf = (field: string, op: Op, value: unknown) => complete(toRoot({ all: [{ field, op, value }] }));
    expect(leaf("attributes.age", "gt", "many")).toBe(false);
    expect(leaf("attributes.age", "gt", 30)).toBe(true);
    expect(leaf("attributes.since", "after", "Lisbon")).toBe(false);
    expect(leaf("attributes.since", "within_days", "")).toBe(false);
    expect(defaultValue("attributes.age", "gt", attributes, "many")).toBe("");
    expect(defaultValue("attributes.age", "gt", attributes, "30")).toBe(30);
    expect(defaultValue("attributes.since", "after", attributes, "Lisbon")).toBe("");
  });

  it("compares with a text what the API compares as a text", () => {
    expect(toRule(toRoot({ all: [{ field: "attributes.age", op: "eq", value: 29 }] }))).toEqual({ all: [{ field: "attributes.age", op: "eq", value: "29" }] });
  });

  it("counts its rules in the order in which the API numbers them", () => {
    expect(leaves(toRoot(rule)).map((leaf) => leaf.field)).toEqual(["attributes.city", "topics", "attributes.points"]);
  });

  it("offers number comparisons only for attributes that are numbers", () => {
    const attributes = [{ name: "points", count: 1, sample: ["3"], numeric: true, date: false }];
    expect(opsFor("attributes.points", attributes)).toContain("gte");
    expect(opsFor("attributes.city", attributes)).not.toContain("gte");
    expect(valueKind("attributes.points", "gte", attributes)).toBe("number");
  });

  it("says itself in words", () => {
    expect(describe(rule)).toBe("city is Lisbon and not (follows no topic or points is at least 300)");
  });
});

group("a rule that is added", () => {
  const attributes = [{ name: "city", count: 3, numeric: false, date: false, sample: ["Oslo"] }] as unknown as AttributeInfo[];
  it("is another one than those that are there", () => {
    const root = emptyRoot();
    const more = { ...root, children: [...root.children, nextLeaf(root, attributes)] };
    expect(leaves(more).map((leaf) => leaf.field)).toEqual(["consent", "attributes.city"]);
    expect(repeated(more)).toEqual([]);
  });
  it("is said to be a repetition where it is one", () => {
    const root = emptyRoot();
    const twice = { ...root, children: [...root.children, { ...leaves(root)[0]!, id: "again" }] };
    expect(repeated(twice).map((leaf) => leaf.id)).toEqual(["again"]);
  });
});
