import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { cancelImport, consentCountsQuery, importPreviewQuery, startImport } from "../../api/imports";
import { attributesQuery } from "../../api/contacts";
import { asProblem } from "../../api/problem";
import type { Dates, Import, ImportPreview, ImportStart } from "../../api/types";
import { count, plural } from "../../lib/format";
import { useDebounced } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { RadioCards } from "../../ui/choice";
import { TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { ComboBox, Select, type Option } from "../../ui/select";
import { Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { localRegion, regions } from "./regions";
import { attributeName, choicesFor, datesNote, datesOptions, keepChoices, mappingProblem, startWith, suggestedChoices, type Choices } from "./mapping-model";

export function MappingPhase({ item, onStarted }: { item: Import; onStarted: () => void }) {
  const preview = useQuery(importPreviewQuery(item.id));
  return (
    <QueryState query={preview} skeleton={<Skeleton rows={8} height={48} />}>
      {preview.data && <MappingForm item={item} preview={preview.data} onStarted={onStarted} />}
    </QueryState>
  );
}

const fixed: Option[] = [
  { id: "phone", label: "Phone number" },
  { id: "consent", label: "Consent" },
  { id: "opt_out", label: "Opted out when yes" },
  { id: "consent_at", label: "Time of consent" },
  { id: "topics", label: "Topics" },
  { id: "timezone", label: "Time zone" },
  { id: "locale", label: "Locale" },
  { id: "ignore", label: "Do not import" },
];

/** The choices for one column: the contact's own fields, the attributes that exist, and a new one named after it. */
function optionsFor(column: string, known: string[], chosen: string): Option[] {
  const names = new Set([attributeName(column), ...known]);
  if (chosen.startsWith("attribute:")) names.add(chosen.slice("attribute:".length));
  return [...fixed, ...[...names].map((name) => ({ id: `attribute:${name}`, label: `Attribute: ${name}` }))];
}

function MappingForm({ item, preview, onStarted }: { item: Import; preview: ImportPreview; onStarted: () => void }) {
  const cache = useQueryClient();
  const attributes = useQuery(attributesQuery());
  const [choices, setChoices] = useState<Choices>(
    () => ({ ...suggestedChoices(preview.columns), ...choicesFor(item.id) }),
  );
  const { keys, dates, region, source, consent, mode } = choices;
  const change = (patch: Partial<Choices>) => setChoices((old) => ({ ...old, ...patch }));
  const start = useMutation({
    mutationFn: (dryRun: boolean) => startImport(item.id, startWith(preview.columns, choices, dryRun)),
    onSuccess: (started) => {
      keepChoices(item.id, choices);
      cache.setQueryData(["imports", "detail", item.id], started);
      void cache.invalidateQueries({ queryKey: ["imports", "rows", item.id] });
      onStarted();
    },
  });
  const known = useMemo(() => (attributes.data?.items ?? []).map((info) => info.name), [attributes.data]);
  const suggested = useMemo(() => localRegion(), []);
  const problem = mappingProblem(keys);
  const answer = start.error ? asProblem(start.error) : null;
  const blocked = problem !== null || source.trim() === "";

  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1.5fr)_minmax(20rem,1fr)]">
      <Card title="Columns" padded={false} aside={<span className="text-sm text-muted">{`${preview.format.toUpperCase()}, ${preview.encoding}${preview.delimiter ? `, “${preview.delimiter}”` : ""} · ${plural(preview.rows_sampled, "row")} looked at`}</span>}>
        <ul className="divide-y divide-line bg-solid">
          {preview.columns.map((column, index) => (
            <li key={column.name} className="grid items-center gap-x-4 gap-y-2 px-5 py-3 sm:grid-cols-[minmax(0,1fr)_minmax(0,15rem)]">
              <div className="min-w-0">
                <p className="truncate font-medium">{column.name}</p>
                <p className="truncate font-mono text-xs text-muted" title={column.samples.join(", ")}>
                  {column.samples.map((sample) => (sample === "" ? "(empty)" : sample)).join("  ·  ")}
                </p>
              </div>
              <Select label={`${column.name} goes to`} bare value={keys[index] ?? "ignore"} onChange={(key) => change({ keys: keys.map((old, at) => (at === index ? key : old)) })} options={optionsFor(column.name, known, keys[index] ?? "")} />
              {column.looks_like_consent && !["consent", "opt_out", "consent_at"].includes(keys[index] ?? "") && (
                <p className="rounded-md border border-warn/50 bg-warn-soft px-3 py-1.5 text-sm sm:col-span-2">
                  This looks like consent, and nothing is done with it. Choose “Consent”, or “Opted out when yes”, if it says who may get messages.
                </p>
              )}
              {column.dates && keys[index]?.startsWith("attribute:") && (
                <DatesRow column={column} chosen={dates[index] ?? null} onChange={(order) => change({ dates: dates.map((old, at) => (at === index ? order : old)) })} />
              )}
            </li>
          ))}
        </ul>
        {preview.notes.map((note) => (
          <p key={note} className="border-t border-line px-5 py-3 text-sm text-muted">{note}</p>
        ))}
        {problem && <p role="alert" className="border-t border-line bg-warn-soft px-5 py-3 text-sm font-medium text-warn">{problem}</p>}
      </Card>
      <div className="grid content-start gap-4">
        <Card title="How to read it">
          <div className="grid gap-4">
            <div className="grid gap-1.5">
              <ComboBox label="Region of numbers without a country code" hint={region === "" ? "None is chosen: such numbers are rejected, with their line. Numbers that begin with + need none." : "Used only for numbers that do not begin with +."} value={region} onChange={(next) => change({ region: next })} options={regions()} placeholder="None chosen" error={answer?.field("default_region")} />
              {region === "" && suggested && (
                <Button size="sm" variant="ghost" className="justify-self-start" onPress={() => change({ region: suggested.id })}>
                  Use {suggested.label}, where this browser is
                </Button>
              )}
            </div>
            <TextField label="Where these people agreed" required value={source} onChange={(next) => change({ source: next })} placeholder="Checkout form, October 2026" hint="Kept with each consent as its source." error={answer?.field("consent_source")} />
            <RadioCards
              label="People whose row says nothing about consent"
              value={consent}
              onChange={(next) => change({ consent: next })}
              options={[
                { id: "unknown", label: "Consent unknown", hint: "They get nothing until they agree." },
                { id: "opted_in", label: "Opted in", hint: "They agreed where you say above." },
              ]}
            />
            <RadioCards
              label="People who are contacts already"
              value={mode}
              onChange={(next) => change({ mode: next })}
              options={[
                { id: "merge", label: "Merge", hint: "New values win; others stay." },
                { id: "create_only", label: "Leave them", hint: "Only new people are added." },
              ]}
            />
            {problem === null && <ConsentCounts item={item} body={startWith(preview.columns, choices, true)} />}
            <p className="text-xs text-muted">People who opted out or wrote STOP stay so regardless of the file. Such rows are counted.</p>
          </div>
        </Card>
        <Problems error={start.error} placed={["default_region", "consent_source"]} />
        <div className="flex flex-wrap gap-2">
          <Button needs="contacts:write" variant="primary" isDisabled={blocked} isPending={start.isPending && start.variables} onPress={() => start.mutate(true)}>
            Dry run
          </Button>
          <Button needs="contacts:write" isDisabled={blocked} isPending={start.isPending && !start.variables} onPress={() => start.mutate(false)}>
            Import now
          </Button>
          {item.status === "uploaded" && <Discard item={item} />}
        </div>
        <p className="text-sm text-muted">{blocked && problem === null ? "Say where these people agreed to go on." : "A dry run reads the whole file, counts every row and writes nothing."}</p>
      </div>
    </div>
  );
}

/** What the file says about consent under the mapping chosen, before anything is imported. */
function ConsentCounts({ item, body }: { item: Import; body: ImportStart }) {
  const counted = useQuery(consentCountsQuery(item.id, useDebounced(JSON.stringify({ ...body, consent_source: "-" }), 400)));
  const found = counted.data;
  if (!found) return null;
  return (
    <div className="rounded-md border border-line bg-sunken px-3 py-2 text-sm" aria-live="polite">
      <p className="tabular">
        <span className="font-medium">{count(found.opted_in)}</span> opt in · <span className="font-medium">{count(found.opted_out)}</span> opt out · <span className="font-medium">{count(found.unknown)}</span> unknown
        <span className="text-muted"> {found.is_whole_file ? `of ${plural(found.rows, "row")}` : `in the first ${count(found.rows)} rows`}</span>
      </p>
      {found.not_understood > 0 && <p className="mt-0.5 text-warn">{plural(found.not_understood, "row")} with words that are not understood: {found.samples.join(", ")}</p>}
    </div>
  );
}

/** How a column's dates are read: what the file decides, or what is assumed until somebody says otherwise. */
function DatesRow({ column, chosen, onChange }: { column: ImportPreview["columns"][number]; chosen: Dates | null; onChange: (dates: Dates | null) => void }) {
  if (!column.dates) return null;
  const note = datesNote(column.dates, chosen);
  return (
    <>
      <p className={note.assumed ? "rounded-md border border-warn/50 bg-warn-soft px-3 py-1.5 text-sm" : "text-sm text-muted"}>{note.text}</p>
      <Select label={`The values of ${column.name} are`} bare value={chosen ?? "text"} onChange={(id) => onChange(id === "text" ? null : id)} options={datesOptions} />
    </>
  );
}

function Discard({ item }: { item: Import }) {
  const cache = useQueryClient();
  const discard = useMutation({
    mutationFn: () => cancelImport(item.id),
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ["imports"] });
      toast.done("Import discarded");
    },
    onError: toast.failed,
  });
  return (
    <Button variant="ghost" isPending={discard.isPending} onPress={() => discard.mutate()}>
      Discard file
    </Button>
  );
}
