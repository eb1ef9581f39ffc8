/** The rule tree as it is edited: every node has an id, and NOT is a switch on a node rather than a node of its own. */
import type { AttributeInfo, Consent, Op, Rule } from "../../api/types";
import { consentNames } from "../../ui/chip";

export interface Leaf {
  kind: "rule";
  id: string;
  not: boolean;
  field: string;
  op: Op;
  value: unknown;
}

export interface Group {
  kind: "group";
  id: string;
  not: boolean;
  join: "all" | "any";
  children: Node[];
}

export type Node = Leaf | Group;

let nextId = 1;
const freshId = (): string => `n${nextId++}`;

export const newLeaf = (): Leaf => ({ kind: "rule", id: freshId(), not: false, field: "consent", op: "eq", value: "opted_in" });
/** Rules that stand in their group a second time, by id. */
export function repeated(group: Group): Leaf[] {
  const seen = new Set<string>();
  return group.children.flatMap((child) => {
    if (child.kind === "group") return repeated(child);
    const text = JSON.stringify(toRule(child));
    if (seen.has(text)) return [child];
    seen.add(text);
    return [];
  });
}

export const newGroup = (join: Group["join"] = "any"): Group => ({ kind: "group", id: freshId(), not: false, join, children: [newLeaf()] });
export const emptyRoot = (): Group => ({ kind: "group", id: freshId(), not: false, join: "all", children: [newLeaf()] });

export function toNode(rule: Rule): Node {
  if ("not" in rule) {
    const inner = toNode(rule.not);
    return { ...inner, not: !inner.not };
  }
  if ("all" in rule) return { kind: "group", id: freshId(), not: false, join: "all", children: rule.all.map(toNode) };
  if ("any" in rule) return { kind: "group", id: freshId(), not: false, join: "any", children: rule.any.map(toNode) };
  return { kind: "rule", id: freshId(), not: false, field: rule.field, op: rule.op, value: rule.value };
}

/** The root of the editor is always a group; a single rule is put into one. */
export function toRoot(rule: Rule): Group {
  const node = toNode(rule);
  return node.kind === "group" ? node : { ...emptyRoot(), children: [node] };
}

export function toRule(node: Node): Rule {
  const plain: Rule = node.kind === "group" ? groupRule(node) : { field: node.field, op: node.op, ...(takesValue(node.op) ? { value: given(node) } : {}) };
  return node.not ? { not: plain } : plain;
}

/** A number is compared as a number only by more, less and their like; "is" compares texts, as the API says. */
const given = ({ op, value }: Leaf): unknown => (typeof value === "number" && (op === "eq" || op === "ne") ? String(value) : value);

/** The rules of the tree without their groups, in the order they stand. */
export const leaves = (node: Node): Leaf[] => (node.kind === "rule" ? [node] : node.children.flatMap(leaves));

const groupRule = (group: Group): Rule => (group.join === "all" ? { all: group.children.map(toRule) } : { any: group.children.map(toRule) });

/** The tree with the node of that id changed; `null` removes it. */
export function edit(node: Node, id: string, change: (node: Node) => Node | null): Node | null {
  if (node.id === id) return change(node);
  if (node.kind === "rule") return node;
  return { ...node, children: node.children.flatMap((child) => edit(child, id, change) ?? []) };
}

/** Moves a node one place up or down among its siblings. */
export function move(node: Node, id: string, by: -1 | 1): Node {
  if (node.kind === "rule") return node;
  const at = node.children.findIndex((child) => child.id === id);
  const to = at + by;
  if (at < 0) return { ...node, children: node.children.map((child) => move(child, id, by)) };
  if (to < 0 || to >= node.children.length) return node;
  const children = [...node.children];
  const [moved] = children.splice(at, 1);
  children.splice(to, 0, moved!);
  return { ...node, children };
}

export const takesValue = (op: Op): boolean => op !== "exists" && op !== "missing";

const numeric: ReadonlySet<Op> = new Set<Op>(["gt", "gte", "lt", "lte"]);

const hasValue = (leaf: Leaf): boolean => {
  if (!takesValue(leaf.op)) return true;
  if (Array.isArray(leaf.value)) return leaf.value.length > 0;
  if (numeric.has(leaf.op)) return typeof leaf.value === "number" && Number.isFinite(leaf.value);
  if (leaf.op === "within_days") return Number.isInteger(leaf.value);
  if (leaf.op === "before" || leaf.op === "after") return typeof leaf.value === "string" && /^\d{4}-\d{2}-\d{2}/.test(leaf.value);
  return leaf.value !== undefined && leaf.value !== null && leaf.value !== "";
};

/** True when every rule has what it needs, so that it can be counted. */
export function complete(node: Node): boolean {
  if (node.kind === "rule") return node.field !== "" && node.field !== "attributes." && hasValue(node);
  return node.children.length > 0 && node.children.every(complete);
}

export const opNames: Record<Op, string> = {
  eq: "is", ne: "is not", contains: "contains", starts_with: "starts with", in: "is one of", exists: "is known", missing: "is not known",
  gt: "is more than", gte: "is at least", lt: "is less than", lte: "is at most", before: "is before", after: "is after", within_days: "is within the last days",
};

const textOps: Op[] = ["eq", "ne", "contains", "starts_with", "in", "exists", "missing"];
const numberOps: Op[] = ["eq", "ne", "gt", "gte", "lt", "lte", "exists", "missing"];
const dateOps: Op[] = ["before", "after", "within_days", "exists", "missing"];

export type ValueKind = "text" | "number" | "date" | "days" | "list" | "consent" | "consents" | "none";

/** The comparisons that make sense for a field. */
export function opsFor(field: string, attributes: AttributeInfo[]): Op[] {
  if (field === "consent" || field === "country") return ["eq", "ne", "in"];
  if (field === "topics") return ["contains", "missing"];
  if (field === "created_at" || field === "consent_changed_at") return dateOps;
  const info = attributes.find((entry) => `attributes.${entry.name}` === field);
  if (info?.numeric) return [...new Set([...numberOps, ...textOps])];
  if (info?.date) return [...new Set([...dateOps, ...textOps])];
  return textOps;
}

export function valueKind(field: string, op: Op, attributes: AttributeInfo[]): ValueKind {
  if (!takesValue(op)) return "none";
  if (field === "topics") return "text";
  if (op === "within_days") return "days";
  if (op === "before" || op === "after") return "date";
  if (field === "consent") return op === "in" ? "consents" : "consent";
  if (op === "in") return "list";
  const info = attributes.find((entry) => `attributes.${entry.name}` === field);
  return info?.numeric && op !== "contains" && op !== "starts_with" ? "number" : "text";
}

export const fieldName = (field: string): string => field.replace(/^attributes\./, "").replaceAll("_", " ");

const valueText = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : String(value ?? ""));

const consentText = (value: unknown): string =>
  (Array.isArray(value) ? value : [value]).map((state) => (consentNames[state as Consent] ?? String(state)).replace(/^[A-Z]/, (first) => first.toLowerCase())).join(", ");

/** The rule as a sentence, for lists and for those who do not look at the tree. */
export function describe(rule: Rule): string {
  if ("not" in rule) return `not (${describe(rule.not)})`;
  if ("all" in rule) return rule.all.map(nested).join(" and ") || "everyone";
  if ("any" in rule) return rule.any.map(nested).join(" or ") || "nobody";
  if (rule.field === "topics") return rule.op === "missing" ? "follows no topic" : `follows ${valueText(rule.value)}`;
  const words = rule.field === "consent" ? consentText : valueText;
  return `${fieldName(rule.field)} ${opNames[rule.op]}${takesValue(rule.op) ? ` ${words(rule.value)}` : ""}`;
}

function nested(rule: Rule): string {
  const many = ("all" in rule && rule.all.length > 1) || ("any" in rule && rule.any.length > 1);
  return many ? `(${describe(rule)})` : describe(rule);
}
