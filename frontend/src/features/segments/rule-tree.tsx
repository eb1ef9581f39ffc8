import { ChevronDown, ChevronUp, FolderPlus, Plus, Trash2, TriangleAlert } from "lucide-react";
import type { AttributeInfo, Op } from "../../api/types";
import { Button, IconButton } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { cx } from "../../ui/cx";
import { ComboBox, Select } from "../../ui/select";
import { describe, edit, fieldName, move, newGroup, opNames, opsFor, toRule, type Group, type Leaf, type Node } from "./rules";
import { ValueField, defaultValue, nextLeaf } from "./value-field";

interface Props {
  root: Group;
  onChange: (root: Group) => void;
  attributes: AttributeInfo[];
  /** What is to be said of a rule, by its id. */
  remarks: ReadonlyMap<string, string>;
}

const DEEPEST = 5; // deeper trees cannot be read on a screen

/** Nested ALL / ANY / NOT; everything a pointer can do here has a button, so the keyboard can do it too. */
export function RuleTree({ root, onChange, attributes, remarks }: Props) {
  const apply = (id: string, change: (node: Node) => Node | null) => onChange((edit(root, id, change) ?? root) as Group);
  const shift = (id: string, by: -1 | 1) => onChange(move(root, id, by) as Group);
  return <GroupBox group={root} depth={0} apply={apply} shift={shift} attributes={attributes} remarks={remarks} first last />;
}

interface NodeProps {
  depth: number;
  apply: (id: string, change: (node: Node) => Node | null) => void;
  shift: (id: string, by: -1 | 1) => void;
  attributes: AttributeInfo[];
  remarks: ReadonlyMap<string, string>;
  first: boolean;
  last: boolean;
}

function GroupBox({ group, depth, apply, shift, attributes, remarks, first, last }: NodeProps & { group: Group }) {
  const change = (patch: Partial<Group>) => apply(group.id, (node) => ({ ...node, ...patch }) as Group);
  const addRule = () => {
    const leaf = nextLeaf(group, attributes);
    change({ children: [...group.children, leaf] });
    requestAnimationFrame(() => document.getElementById(`rule-${leaf.id}`)?.querySelector("input")?.focus());
  };
  return (
    <fieldset className={cx("min-w-0 rounded-md border p-3", depth === 0 ? "border-line-strong/60 bg-solid" : depth % 2 === 1 ? "border-accent/40 bg-sunken" : "border-line-strong/60 bg-solid")}>
      <legend className="sr-only">{describe(toRule(group))}</legend>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <NotToggle on={group.not} onChange={(not) => change({ not })} what="this group" />
        <Segmented label="People match" value={group.join} onChange={(join) => change({ join })} options={[{ id: "all", label: "All of" }, { id: "any", label: "Any of" }]} />
        {depth > 0 && <NodeButtons id={group.id} name="group" apply={apply} shift={shift} first={first} last={last} />}
      </div>
      <ul className="grid gap-2.5 border-l-2 border-line-strong/40 pl-3">
        {group.children.map((child, index) => {
          const place = { depth: depth + 1, apply, shift, attributes, remarks, first: index === 0, last: index === group.children.length - 1 };
          return (
            <li key={child.id} className="min-w-0">
              {index > 0 && <p aria-hidden className="-mt-1 mb-1 text-xs font-medium text-muted">{group.join === "all" ? "and" : "or"}</p>}
              {child.kind === "group" ? <GroupBox group={child} {...place} /> : <LeafRow leaf={child} {...place} />}
            </li>
          );
        })}
        {group.children.length === 0 && <li className="text-sm text-muted">Empty. Add a rule or remove the group.</li>}
      </ul>
      <div className="mt-3 flex flex-wrap gap-2">
        <Button size="sm" icon={<Plus aria-hidden />} onPress={addRule}>
          Rule
        </Button>
        {depth < DEEPEST && (
          <Button size="sm" icon={<FolderPlus aria-hidden />} onPress={() => change({ children: [...group.children, newGroup(group.join === "all" ? "any" : "all")] })}>
            Group
          </Button>
        )}
      </div>
    </fieldset>
  );
}

function NotToggle({ on, onChange, what }: { on: boolean; onChange: (on: boolean) => void; what: string }) {
  return (
    <button
      type="button"
      aria-pressed={on}
      aria-label={`Negate ${what}`}
      onClick={() => onChange(!on)}
      className={cx("min-h-9 rounded-md border px-2.5 text-sm font-semibold pointer-coarse:min-h-11", on ? "border-bad bg-bad-soft text-bad" : "border-line-strong/60 text-muted hover:text-text")}
    >
      Not
    </button>
  );
}

function NodeButtons({ id, name, apply, shift, first, last }: { id: string; name: string } & Pick<NodeProps, "apply" | "shift" | "first" | "last">) {
  return (
    <span className="ml-auto flex shrink-0 @max-lg:col-span-2">
      <IconButton label={`Move ${name} up`} isDisabled={first} onPress={() => shift(id, -1)}>
        <ChevronUp />
      </IconButton>
      <IconButton label={`Move ${name} down`} isDisabled={last} onPress={() => shift(id, 1)}>
        <ChevronDown />
      </IconButton>
      <IconButton label={`Remove ${name}`} onPress={() => apply(id, () => null)}>
        <Trash2 />
      </IconButton>
    </span>
  );
}

const ownFields = ["consent", "topics", "country", "timezone", "locale", "phone", "created_at", "consent_changed_at"];
const ownNames: Record<string, string> = { created_at: "Added on", consent_changed_at: "Consent changed on", timezone: "Time zone" };
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function fieldOptions(attributes: AttributeInfo[], current: string) {
  const names = new Set(attributes.map((info) => `attributes.${info.name}`));
  if (current.startsWith("attributes.")) names.add(current);
  return [
    ...[...names].map((id) => ({ id, label: capital(fieldName(id)), hint: "Attribute" })),
    ...ownFields.map((id) => ({ id, label: ownNames[id] ?? capital(id) })),
  ];
}

function LeafRow({ leaf, apply, shift, attributes, remarks, first, last }: NodeProps & { leaf: Leaf }) {
  const change = (patch: Partial<Leaf>) => apply(leaf.id, (node) => ({ ...node, ...patch }) as Leaf);
  const ops = opsFor(leaf.field, attributes);
  const changeField = (field: string) => {
    const allowed = opsFor(field, attributes);
    const op = allowed.includes(leaf.op) ? leaf.op : allowed[0]!;
    change({ field, op, value: defaultValue(field, op, attributes) });
  };
  const changeOp = (op: Op) => change({ op, value: defaultValue(leaf.field, op, attributes, leaf.value) });
  return (
    <div id={`rule-${leaf.id}`} className="@container">
      <div className="grid grid-cols-[auto_minmax(0,1fr)] items-center gap-2 @lg:grid-cols-[auto_minmax(0,1.1fr)_minmax(0,1fr)_minmax(0,1.2fr)_auto]">
      <NotToggle on={leaf.not} onChange={(not) => change({ not })} what="this rule" />
      <ComboBox label="Field" bare value={leaf.field} onChange={changeField} options={fieldOptions(attributes, leaf.field)} />
      <Select label="Comparison" bare className="@max-lg:col-span-2" value={leaf.op} onChange={(op) => changeOp(op as Op)} options={ops.map((op) => ({ id: op, label: leaf.field === "topics" ? (op === "missing" ? "follow none" : "include") : opNames[op] }))} />
      <div className="min-w-0 @max-lg:col-span-2">
        <ValueField leaf={leaf} attributes={attributes} onChange={(value) => change({ value })} />
      </div>
      <NodeButtons id={leaf.id} name="rule" apply={apply} shift={shift} first={first} last={last} />
      </div>
      {remarks.has(leaf.id) && (
        <p className="mt-1.5 flex gap-2 rounded-md border border-warn/50 bg-warn-soft px-3 py-1.5 text-sm">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" /> <span className="min-w-0 wrap-anywhere">{remarks.get(leaf.id)}</span>
        </p>
      )}
    </div>
  );
}
