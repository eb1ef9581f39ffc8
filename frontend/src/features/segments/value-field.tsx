import type { AttributeInfo, Consent, Op } from "../../api/types";
import { consentNames } from "../../ui/chip";
import { ComboBox, Select } from "../../ui/select";
import { valueKind, type Leaf, newLeaf, opsFor, type Group } from "./rules";

const consents = Object.keys(consentNames) as Consent[];

/** A value that fits the comparison, keeping what was typed when it still does. */
export function defaultValue(field: string, op: Op, attributes: AttributeInfo[], before?: unknown): unknown {
  const kind = valueKind(field, op, attributes);
  if (kind === "none") return undefined;
  if (kind === "days") return typeof before === "number" ? before : 30;
  if (kind === "list" || kind === "consents") return Array.isArray(before) ? before : before ? [String(before)] : [];
  if (kind === "consent") return typeof before === "string" && (consents as string[]).includes(before) ? before : "opted_in";
  if (kind === "number") return typeof before === "string" && before.trim() !== "" && Number.isFinite(Number(before)) ? Number(before) : typeof before === "number" ? before : "";
  if (kind === "date") return typeof before === "string" && /^\d{4}-\d{2}-\d{2}/.test(before) ? before : "";
  if (Array.isArray(before)) return before.join(", ");
  return before ?? "";
}

interface Props {
  leaf: Leaf;
  attributes: AttributeInfo[];
  onChange: (value: unknown) => void;
}

export function ValueField({ leaf, attributes, onChange }: Props) {
  const kind = valueKind(leaf.field, leaf.op, attributes);
  const text = Array.isArray(leaf.value) ? leaf.value.join(", ") : String(leaf.value ?? "");
  if (kind === "none") return null;
  if (kind === "consent") return <Select label="Value" bare value={text} onChange={onChange} options={consents.map((id) => ({ id, label: consentNames[id] }))} />;
  if (kind === "days")
    return (
      <label className="flex items-center gap-2">
        <input aria-label="Number of days" type="number" min={1} max={3650} className="field max-w-28" value={text} onChange={(event) => onChange(event.target.value === "" ? "" : Math.max(1, Math.trunc(Number(event.target.value))))} />
        days
      </label>
    );
  if (kind === "date") return <input aria-label="Date" type="date" className="field" value={text.slice(0, 10)} onChange={(event) => onChange(event.target.value)} />;
  if (kind === "number") return <input aria-label="Value" type="number" step="any" className="field" value={text} onChange={(event) => onChange(event.target.value === "" ? "" : Number(event.target.value))} />;
  if (kind === "list" || kind === "consents") return <ListField key={leaf.id} value={text} onChange={onChange} placeholder={kind === "consents" ? "opted_in, unknown" : "One, two, three"} />;
  const samples = attributes.find((info) => `attributes.${info.name}` === leaf.field)?.sample ?? [];
  if (samples.length > 0 && (leaf.op === "eq" || leaf.op === "ne"))
    return <ComboBox key={leaf.field} label="Value" bare free value={text} onChange={onChange} options={[...new Set(samples)].map((sample) => ({ id: sample, label: sample }))} />;
  return <input aria-label="Value" className="field" value={text} onChange={(event) => onChange(event.target.value)} placeholder={leaf.field === "country" ? "PT" : undefined} />;
}

/** Typed as text, handed on as a list; a trailing comma must stay typeable. */
function ListField({ value, onChange, placeholder }: { value: string; onChange: (value: string[]) => void; placeholder: string }) {
  return (
    <input
      aria-label="Values, separated by commas"
      className="field"
      defaultValue={value}
      placeholder={placeholder}
      onChange={(event) => onChange(event.target.value.split(",").map((part) => part.trim()).filter(Boolean))}
    />
  );
}

/** The next rule of a group: never the same again, which would say nothing. */
export function nextLeaf(group: Group, attributes: AttributeInfo[]): Leaf {
  const used = new Set(group.children.flatMap((child) => (child.kind === "rule" ? [child.field] : [])));
  const field = ["consent", ...attributes.map((info) => `attributes.${info.name}`), "topics", "country"].find((name) => !used.has(name));
  if (field === undefined || field === "consent") return newLeaf();
  const op = opsFor(field, attributes)[0]!;
  return { ...newLeaf(), field, op, value: defaultValue(field, op, attributes) };
}
