import { Plus, X } from "lucide-react";
import type { ReactNode } from "react";
import type { FlagConstraint, FlagKind } from "../../api/types";
import { Button, IconButton } from "../../ui/button";
import { TextField } from "../../ui/field";
import { Select } from "../../ui/select";
import { NO_VALUES, type Draft, type RuleDraft, type ServeDraft } from "./model";

interface ValueProps {
  label: string;
  type: FlagKind;
  value: string;
  onChange: (value: string) => void;
  error?: string;
  hint?: string;
  disabled?: boolean;
}

/** A value of the flag's type: on or off to choose, all else to type. */
export function ValueField({ label, type, value, onChange, error, hint, disabled }: ValueProps) {
  if (type === "bool")
    return <Select label={label} value={value} onChange={onChange} options={[{ id: "true", label: "On" }, { id: "false", label: "Off" }]} hint={hint} error={error} disabled={disabled} />;
  const inputMode = type === "int" ? "numeric" : type === "float" ? "decimal" : undefined;
  return <TextField label={label} mono={type !== "string"} inputMode={inputMode} value={value} onChange={onChange} hint={hint} error={error} disabled={disabled} />;
}

export interface PartProps {
  type: FlagKind;
  draft: Draft;
  change: (patch: Partial<Draft>) => void;
  problems: Record<string, string>;
}

interface ServeProps {
  label: string;
  type: FlagKind;
  variants: Draft["variants"];
  value: ServeDraft;
  onChange: (serve: ServeDraft) => void;
  error?: string;
  noSplit?: boolean;
}

/** What is given: a value, or (where the flag has variants) one of them, or all by their weights. */
export function ServeField({ label, type, variants, value, onChange, error, noSplit }: ServeProps) {
  const chosen = value.kind === "variant" ? `variant ${value.text}` : value.kind;
  const options = [
    { id: "value", label: "A value" },
    ...variants.filter((variant) => variant.name !== "").map((variant) => ({ id: `variant ${variant.name}`, label: `Variant ${variant.name}` })),
    ...(noSplit ? [] : [{ id: "split", label: "Variants by weight" }]),
  ];
  const first = type === "bool" ? "true" : (variants[0]?.value ?? "");
  const choose = (id: string) => onChange(id === "value" ? { kind: "value", text: first } : id === "split" ? { kind: "split", text: "" } : { kind: "variant", text: id.slice("variant ".length) });
  return (
    <div className={variants.length > 0 ? "grid gap-3 sm:grid-cols-2" : undefined}>
      {variants.length > 0 && <Select label={`${label}: what`} value={chosen} onChange={choose} options={options} />}
      {value.kind === "value" && <ValueField label={label} type={type} value={value.text} onChange={(text) => onChange({ kind: "value", text })} error={error} />}
    </div>
  );
}

const replaced = <T,>(items: T[], index: number, item: T): T[] => items.map((old, at) => (at === index ? item : old));
const without = <T,>(items: T[], index: number): T[] => items.filter((_, at) => at !== index);

/** One entry of a list in a form, with the way to take it out. */
function Entry({ name, onRemove, children }: { name: string; onRemove: () => void; children: ReactNode }) {
  return (
    <li className="grid gap-3 rounded-md border border-line p-3" aria-label={name}>
      <div className="flex items-center justify-between gap-2">
        <span className="text-sm font-medium">{name}</span>
        <IconButton label={`Remove ${name.toLowerCase()}`} onPress={onRemove}>
          <X />
        </IconButton>
      </div>
      {children}
    </li>
  );
}

function List({ empty, count, add, onAdd, children }: { empty: string; count: number; add: string; onAdd: () => void; children: ReactNode }) {
  return (
    <div className="grid gap-3">
      {count === 0 ? <p className="text-sm text-muted">{empty}</p> : <ul className="grid gap-3">{children}</ul>}
      <div>
        <Button size="sm" icon={<Plus aria-hidden />} onPress={onAdd}>
          {add}
        </Button>
      </div>
    </div>
  );
}

const operators: { id: FlagConstraint["op"]; label: string }[] = [
  { id: "eq", label: "is" },
  { id: "ne", label: "is not" },
  { id: "in", label: "is one of" },
  { id: "not_in", label: "is none of" },
  { id: "contains", label: "contains" },
  { id: "starts_with", label: "starts with" },
  { id: "ends_with", label: "ends with" },
  { id: "gt", label: "is above" },
  { id: "gte", label: "is at least" },
  { id: "lt", label: "is below" },
  { id: "lte", label: "is at most" },
  { id: "exists", label: "is there" },
  { id: "missing", label: "is not there" },
];

export function Rules({ type, draft, change, problems }: PartProps) {
  const set = (index: number, patch: Partial<RuleDraft>) => change({ rules: replaced(draft.rules, index, { ...draft.rules[index]!, ...patch }) });
  const fresh: RuleDraft = { when: [{ attribute: "", op: "in", values: "" }], share: "100", serve: { kind: "value", text: type === "bool" ? "true" : draft.value } };
  return (
    <List empty="No rules." count={draft.rules.length} add="Add rule" onAdd={() => change({ rules: [...draft.rules, fresh] })}>
      {draft.rules.map((rule, index) => (
        <Entry key={index} name={`Rule ${index + 1}`} onRemove={() => change({ rules: without(draft.rules, index) })}>
          {rule.when.map((constraint, at) => {
            const put = (patch: Partial<RuleDraft["when"][number]>) => set(index, { when: replaced(rule.when, at, { ...constraint, ...patch }) });
            return (
              <div key={at} className="grid items-start gap-2 sm:grid-cols-[minmax(0,1fr)_8.5rem_minmax(0,1.4fr)_auto]">
                <TextField label={at === 0 ? "Attribute" : "and attribute"} mono value={constraint.attribute} onChange={(attribute) => put({ attribute })} placeholder="country" />
                <Select label="Condition" value={constraint.op} onChange={(op) => put({ op })} options={operators} />
                {NO_VALUES.includes(constraint.op) ? <span /> : <TextField label="Values" value={constraint.values} onChange={(values) => put({ values })} placeholder="DE, AT" />}
                {rule.when.length > 1 && (
                  <IconButton label={`Remove condition ${at + 1} of rule ${index + 1}`} className="sm:mt-6" onPress={() => set(index, { when: without(rule.when, at) })}>
                    <X />
                  </IconButton>
                )}
              </div>
            );
          })}
          <div>
            <Button size="sm" variant="ghost" icon={<Plus aria-hidden />} onPress={() => set(index, { when: [...rule.when, { attribute: "", op: "eq", values: "" }] })}>
              and
            </Button>
          </div>
          <div className="grid gap-3 sm:grid-cols-[7rem_minmax(0,1fr)]">
            <TextField label="Share, %" inputMode="decimal" value={rule.share} onChange={(share) => set(index, { share })} error={problems[`rules.${index}.share`]} />
            <ServeField label="gets" type={type} variants={draft.variants} value={rule.serve} onChange={(serve) => set(index, { serve })} error={problems[`rules.${index}`]} />
          </div>
        </Entry>
      ))}
    </List>
  );
}

export function Targets({ type, draft, change, problems }: PartProps) {
  const set = (index: number, patch: Partial<Draft["targets"][number]>) => change({ targets: replaced(draft.targets, index, { ...draft.targets[index]!, ...patch }) });
  const fresh: Draft["targets"][number] = { keys: "", serve: { kind: "value", text: type === "bool" ? "true" : draft.value } };
  return (
    <List empty="No individuals." count={draft.targets.length} add="Name individuals" onAdd={() => change({ targets: [...draft.targets, fresh] })}>
      {draft.targets.map((target, index) => (
        <Entry key={index} name={`Individuals ${index + 1}`} onRemove={() => change({ targets: without(draft.targets, index) })}>
          <TextField label="Keys" mono value={target.keys} onChange={(keys) => set(index, { keys })} hint="Separated by commas." />
          <ServeField label="get" type={type} variants={draft.variants} value={target.serve} onChange={(serve) => set(index, { serve })} error={problems[`targets.${index}`]} noSplit />
        </Entry>
      ))}
    </List>
  );
}

export function Prerequisites({ draft, change, problems, others }: PartProps & { others: string[] }) {
  const set = (index: number, patch: Partial<Draft["prerequisites"][number]>) => change({ prerequisites: replaced(draft.prerequisites, index, { ...draft.prerequisites[index]!, ...patch }) });
  return (
    <List empty="No prerequisites." count={draft.prerequisites.length} add="Add prerequisite" onAdd={() => change({ prerequisites: [...draft.prerequisites, { flag: others[0] ?? "", value: "true" }] })}>
      {draft.prerequisites.map((wanted, index) => (
        <Entry key={index} name={`Prerequisite ${index + 1}`} onRemove={() => change({ prerequisites: without(draft.prerequisites, index) })}>
          <div className="grid gap-3 sm:grid-cols-2">
            <Select label="Flag" value={wanted.flag} onChange={(flag) => set(index, { flag })} options={others.map((name) => ({ id: name, label: name }))} />
            <TextField label="must give" mono value={wanted.value} onChange={(value) => set(index, { value })} error={problems[`prerequisites.${index}`]} hint="As JSON: true, 5, &quot;text&quot;." />
          </div>
        </Entry>
      ))}
    </List>
  );
}

export function Variants({ type, draft, change, problems }: PartProps) {
  const set = (index: number, patch: Partial<Draft["variants"][number]>) => change({ variants: replaced(draft.variants, index, { ...draft.variants[index]!, ...patch }) });
  return (
    <List empty="No named values." count={draft.variants.length} add="Add variant" onAdd={() => change({ variants: [...draft.variants, { name: "", value: draft.value, weight: "0" }] })}>
      {draft.variants.map((variant, index) => (
        <Entry key={index} name={`Variant ${index + 1}`} onRemove={() => change({ variants: without(draft.variants, index) })}>
          <div className="grid gap-3 sm:grid-cols-[minmax(0,1fr)_minmax(0,1fr)_7rem]">
            <TextField label="Name" value={variant.name} onChange={(name) => set(index, { name })} />
            <ValueField label="Value" type={type} value={variant.value} onChange={(value) => set(index, { value })} error={problems[`variants.${index}.value`]} />
            <TextField label="Weight, %" inputMode="decimal" value={variant.weight} onChange={(weight) => set(index, { weight })} error={problems[`variants.${index}.weight`]} />
          </div>
        </Entry>
      ))}
    </List>
  );
}
