import type { Flag, FlagConstraint, FlagFields, FlagKind, FlagServe } from "../../api/types";

/** Shares are kept in hundredths of a percent: 2500 is "25". */
export const shareText = (percent: number): string => String(percent);

/** The number of "12.34", null for what is no share or finer than 0.01 %. */
export function parseShare(text: string): number | null {
  if (!/^\d{1,3}(\.\d{1,2})?$/.test(text.trim())) return null;
  const percent = Number(text);
  return percent <= 100 ? percent : null;
}

/** A value as it is typed: text as it is, all else as JSON. */
export const valueText = (type: FlagKind, value: unknown): string => (type === "string" ? String(value ?? "") : JSON.stringify(value ?? null));

export type Parsed = { ok: true; value: unknown } | { ok: false; problem: string };

const problems: Record<FlagKind, string> = {
  bool: "On or off.",
  int: "A whole number.",
  float: "A number, such as 0.5.",
  string: "",
  json: "A JSON object or list.",
};

export function parseValue(type: FlagKind, text: string): Parsed {
  if (type === "string") return { ok: true, value: text };
  const wrong: Parsed = { ok: false, problem: problems[type] };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return wrong;
  }
  const fits = type === "bool" ? typeof value === "boolean" : type === "int" ? Number.isSafeInteger(value) : type === "float" ? Number.isFinite(value) : typeof value === "object" && value !== null;
  return fits ? { ok: true, value } : wrong;
}

/** How a value is shown in a line. */
export const shownValue = (value: unknown): string => (value === true ? "On" : value === false ? "Off" : typeof value === "string" ? (value === "" ? "(empty)" : value) : JSON.stringify(value));

/** An attribute of a context or of a rule, as it is typed: numbers, true and false are themselves, the rest is text. */
export function scalar(text: string): string | number | boolean {
  const trimmed = text.trim();
  if (trimmed === "true" || trimmed === "false") return trimmed === "true";
  if (/^-?(0|[1-9]\d*)(\.\d+)?$/.test(trimmed) && Number.isFinite(Number(trimmed)) && trimmed.length < 16) return Number(trimmed);
  return trimmed;
}
/** Several of them, separated by commas; a text that would be read as something else stands in quotes. */
export const scalars = (text: string): (string | number | boolean)[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => (/^".*"$/.test(part) ? part.slice(1, -1) : scalar(part)));
export const scalarText = (value: string | number | boolean): string => (typeof value === "string" && (scalar(value) !== value || value.includes(",")) ? `"${value}"` : String(value));

/** What is given, as it stands in a form. `split` deals the variants by their weights. */
export interface ServeDraft {
  kind: "value" | "variant" | "split";
  text: string;
}
export interface RuleDraft {
  when: { attribute: string; op: FlagConstraint["op"]; values: string }[];
  share: string;
  serve: ServeDraft;
}
export interface Draft {
  value: string;
  off: string;
  enabled: boolean;
  description: string;
  key: string;
  salt: string;
  variants: { name: string; value: string; weight: string }[];
  prerequisites: { flag: string; value: string }[];
  targets: { keys: string; serve: ServeDraft }[];
  rules: RuleDraft[];
  rollout: { share: string; serve: ServeDraft } | null;
}

const serveDraft = (type: FlagKind, serve: FlagServe): ServeDraft =>
  serve.split ? { kind: "split", text: "" } : serve.variant ? { kind: "variant", text: serve.variant } : { kind: "value", text: valueText(type, serve.value) };

export function draftOf(flag: Flag): Draft {
  const { type } = flag;
  return {
    value: valueText(type, flag.value),
    off: valueText(type, flag.off),
    enabled: flag.enabled,
    description: flag.description,
    key: flag.key,
    salt: flag.salt,
    variants: flag.variants.map(({ name, value, weight }) => ({ name, value: valueText(type, value), weight: shareText(weight ?? 0) })),
    prerequisites: flag.prerequisites.map(({ flag: other, value }) => ({ flag: other, value: JSON.stringify(value) })),
    targets: flag.targets.map(({ keys, serve }) => ({ keys: keys.join(", "), serve: serveDraft(type, serve) })),
    rules: flag.rules.map(({ when, percentage, serve }) => ({
      when: when.map(({ attribute, op, values }) => ({ attribute, op, values: (values ?? []).map(scalarText).join(", ") })),
      share: percentage === null || percentage === undefined ? "100" : shareText(percentage),
      serve: serveDraft(type, serve),
    })),
    rollout: flag.rollout ? { share: shareText(flag.rollout.percentage), serve: serveDraft(type, flag.rollout.serve) } : null,
  };
}

export const NO_VALUES: readonly FlagConstraint["op"][] = ["exists", "missing"];

/** The parts of the draft that differ from the flag, and what cannot be sent, by the field it stands in. */
export function fieldsOf(flag: Flag, draft: Draft): { fields: FlagFields; problems: Record<string, string> } {
  const found: Record<string, string> = {};
  const read = (field: string, text: string, type: FlagKind = flag.type): unknown => {
    const parsed = parseValue(type, text);
    if (!parsed.ok) found[field] = parsed.problem;
    return parsed.ok ? parsed.value : null;
  };
  const share = (field: string, text: string): number => {
    const percent = parseShare(text);
    if (percent === null) found[field] = "0 to 100, with at most two decimals.";
    return percent ?? 0;
  };
  const serve = (field: string, given: ServeDraft): FlagServe => (given.kind === "split" ? { split: true } : given.kind === "variant" ? { variant: given.text } : { value: read(field, given.text) });
  const list = (text: string) => text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  const whole: FlagFields = {
    value: read("value", draft.value),
    off: read("off", draft.off),
    enabled: draft.enabled,
    description: draft.description,
    key: draft.key.trim(),
    salt: draft.salt,
    variants: draft.variants.map(({ name, value, weight }, index) => ({ name: name.trim(), value: read(`variants.${index}.value`, value), weight: share(`variants.${index}.weight`, weight) })),
    prerequisites: draft.prerequisites.map((wanted, index) => ({ flag: wanted.flag, value: json(wanted.value, () => (found[`prerequisites.${index}`] = "A JSON value, such as true.")) })),
    targets: draft.targets.map((target, index) => ({ keys: list(target.keys), serve: serve(`targets.${index}`, target.serve) })),
    rules: draft.rules.map((rule, index) => {
      const percentage = share(`rules.${index}.share`, rule.share);
      return {
        when: rule.when.map(({ attribute, op, values }) => ({ attribute: attribute.trim(), op, values: NO_VALUES.includes(op) ? [] : scalars(values) })),
        percentage: percentage === 100 ? null : percentage,
        serve: serve(`rules.${index}`, rule.serve),
      };
    }),
    rollout: draft.rollout && { percentage: share("rollout.share", draft.rollout.share), serve: serve("rollout", draft.rollout.serve) },
  };
  const before = draftOf(flag);
  const names = (Object.keys(whole) as (keyof Draft)[]).filter((name) => JSON.stringify(draft[name]) !== JSON.stringify(before[name]));
  return { fields: Object.fromEntries(names.map((name) => [name, whole[name]])) as FlagFields, problems: found };
}

function json(text: string, wrong: () => void): unknown {
  try {
    return JSON.parse(text);
  } catch {
    wrong();
    return null;
  }
}

export interface Difference {
  field: string;
  before: string | null;
  after: string | null;
}

/** What a change changed, field by field; null where there was nothing. */
export function differences(before: Record<string, unknown> | null, after: Record<string, unknown> | null): Difference[] {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const text = (value: unknown): string | null => (value === undefined || value === null ? null : typeof value === "string" ? value : JSON.stringify(value, null, 1));
  return names
    .map((field) => ({ field, before: text(before?.[field]), after: text(after?.[field]) }))
    .filter((entry) => entry.before !== entry.after && !(isNothing(entry.before) && isNothing(entry.after)));
}

const isNothing = (text: string | null): boolean => text === null || text === "" || text === "[]";

const details: Record<string, string> = { killed: "the kill switch is on", disabled: "the flag is disabled", target: "an individual target", no_key: "the context has no sticky key" };

/** An answer's reason in words. */
export function reasonText(reason: string, detail: string | null | undefined): string {
  if (detail && details[detail]) return details[detail];
  const [what, which] = (detail ?? "").split(":");
  if (what === "rule") return `rule ${which} matches`;
  if (what === "prerequisite") return `${which}, which it needs, gives something else`;
  const words: Record<string, string> = { STATIC: "nothing to decide", DEFAULT: "nothing more specific applies", SPLIT: "inside the percentage", STALE: `the database does not answer; last known: ${detail ?? ""}` };
  return words[reason] ?? detail ?? reason;
}
