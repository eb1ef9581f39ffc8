import { describe as group, expect, it } from "vitest";
import type { Rule } from "../../api/types";
import { complete, describe, edit, emptyRoot, move, opsFor, toRoot, toRule, valueKind, type Group } from "./rules";

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
