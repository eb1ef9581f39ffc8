import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { changeFlag, flagsQuery } from "../../api/flags";
import type { Flag } from "../../api/types";
import { useEdited } from "../../lib/edited";
import { Button } from "../../ui/button";
import { Conflict, isStale } from "../../ui/conflict";
import { Switch, TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { LeaveGuard } from "../../ui/leave-guard";
import { PercentSlider } from "../../ui/slider";
import { toast } from "../../ui/toast";
import { ReasonDialog } from "./dialogs";
import { Differences } from "./history";
import { draftOf, fieldsOf, parseShare, type Draft } from "./model";
import { Prerequisites, Rules, ServeField, Targets, ValueField, Variants, type PartProps } from "./parts";

const labels: Record<keyof Draft, string> = {
  value: "Value", off: "Off value", enabled: "Enabled", description: "Description", key: "Sticky key", salt: "Salt", variants: "Variants", prerequisites: "Prerequisites", targets: "Individuals", rules: "Rules", rollout: "Percentage",
};
const shown = (name: keyof Draft, draft: Draft): string => (typeof draft[name] === "string" ? draft[name] : JSON.stringify(draft[name], null, 2));

/** The definition as a form. */
export function Editor({ flag: stored, mayChange }: { flag: Flag; mayChange: boolean }) {
  const cache = useQueryClient();
  const others = useQuery(flagsQuery()).data?.items.map((other) => other.name).filter((name) => name !== stored.name) ?? [];
  const edited = useEdited(stored, (from) => draftOf(from ?? stored));
  const { draft, change } = edited;
  const flag = edited.base ?? stored;
  const [refusal, setRefusal] = useState<unknown>(null);
  const [saving, setSaving] = useState(false);
  const { fields, problems } = fieldsOf(flag, draft);
  const dirty = Object.keys(fields).length > 0;
  const part: PartProps = { type: flag.type, draft, change, problems };
  const save = async (reason: string) => {
    setRefusal(null);
    const next = await changeFlag(flag, fields, reason).catch(async (error: unknown) => {
      if (!isStale(error)) throw error;
      await cache.invalidateQueries({ queryKey: ["flags", "detail", flag.name] });
      setRefusal(error);
      return null;
    });
    if (next === null) return;
    edited.start(next);
    cache.setQueryData(["flags", "detail", flag.name], next);
    toast.done(`${flag.name} is saved`);
  };
  return (
    <Card
      title="Definition"
      aside={
        mayChange && (
          <>
            {dirty && (
              <Button size="sm" variant="ghost" onPress={() => edited.start(stored)}>
                Undo edits
              </Button>
            )}
            <Button size="sm" variant="primary" isDisabled={!dirty || Object.keys(problems).length > 0} onPress={() => setSaving(true)}>
              Save
            </Button>
          </>
        )
      }
    >
      <Conflict what="flag" edited={edited} labels={labels} show={shown} error={refusal} onKeepMine={() => setSaving(true)} />
      <LeaveGuard dirty={dirty && !saving} />
      <fieldset disabled={!mayChange} className="grid min-w-0 gap-6 pt-2">
        <legend className="sr-only">Definition of {flag.name}</legend>
        <div className="grid gap-4 sm:grid-cols-2">
          <ValueField label="Value" type={flag.type} value={draft.value} onChange={(value) => change({ value })} error={problems.value} hint="When nothing more specific applies." />
          <ValueField label="Off value" type={flag.type} value={draft.off} onChange={(off) => change({ off })} error={problems.off} hint="While killed, disabled, or lacking a prerequisite." />
        </div>
        <Switch checked={draft.enabled} onChange={(enabled) => change({ enabled })} hint="Disabled, everybody gets the off value.">
          Enabled
        </Switch>
        {flag.is_own ? (
          <p className="text-sm text-muted">{flag.description} This flag is the product’s own: it has one value for the whole platform, so that its combinations with others can be judged.</p>
        ) : (
          <Targeting part={part} others={others} />
        )}
      </fieldset>
      {saving && (
        <ReasonDialog title={`Save ${flag.name}`} action="Save" onClose={() => setSaving(false)} run={save}>
          <Differences before={pick(flag, fields)} after={fields} />
        </ReasonDialog>
      )}
    </Card>
  );
}

const pick = (flag: Flag, fields: object): Record<string, unknown> => Object.fromEntries(Object.entries(flag).filter(([name]) => name in fields));

function Targeting({ part, others }: { part: PartProps; others: string[] }) {
  const { draft, change } = part;
  return (
    <>
      <TextField label="Description" value={draft.description} onChange={(description) => change({ description })} />
      <Section title="Prerequisites" says="Other flags that must have a given value first.">
        <Prerequisites {...part} others={others} />
      </Section>
      <Section title="Individuals" says="Evaluated before the rules.">
        <Targets {...part} />
      </Section>
      <Section title="Rules" says="In this order; the first that matches decides.">
        <Rules {...part} />
      </Section>
      <Rollout {...part} />
      <Section title="Variants" says="Named values, assigned by weight. Each key keeps its variant.">
        <Variants {...part} />
      </Section>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField label="Sticky key" mono value={draft.key} onChange={(key) => change({ key })} hint="The context attribute that determines the share." />
        <TextField label="Salt" mono value={draft.salt} onChange={(salt) => change({ salt })} hint="A different salt assigns everyone again." />
      </div>
    </>
  );
}

function Section({ title, says, children }: { title: string; says: string; children: React.ReactNode }) {
  return (
    <section className="grid gap-2">
      <h3 className="font-semibold">{title}</h3>
      <p className="text-xs text-muted">{says}</p>
      {children}
    </section>
  );
}

function Rollout({ type, draft, change, problems }: PartProps) {
  const rollout = draft.rollout;
  const start = () => change({ rollout: { share: "0", serve: { kind: "value", text: type === "bool" ? "true" : draft.value } } });
  if (!rollout)
    return (
      <Section title="Percentage" says="A share of everyone else, by sticky key.">
        <div>
          <Button size="sm" onPress={start}>
            Roll out by percentage
          </Button>
        </div>
      </Section>
    );
  const put = (patch: Partial<typeof rollout>) => change({ rollout: { ...rollout, ...patch } });
  return (
    <Section title="Percentage" says="Raising it keeps everyone who was included. Lowering it removes only those included last.">
      <div className="grid items-start gap-x-5 gap-y-2 sm:grid-cols-[minmax(0,1fr)_8rem]">
        <PercentSlider label="Percentage" className="sm:mt-5" value={(parseShare(rollout.share) ?? 0) / 100} onChange={(share) => put({ share: String(share) })} />
        <TextField label="Exactly, %" inputMode="decimal" value={rollout.share} onChange={(share) => put({ share })} error={problems["rollout.share"]} />
      </div>
      <ServeField label="They get" type={type} variants={draft.variants} value={rollout.serve} onChange={(serve) => put({ serve })} error={problems.rollout} />
      <div>
        <Button size="sm" variant="ghost" onPress={() => change({ rollout: null })}>
          Remove the percentage
        </Button>
      </div>
    </Section>
  );
}
