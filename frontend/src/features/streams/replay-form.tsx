import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { groupsQuery, startReplay } from "../../api/backbone";
import type { ReplayInput } from "../../api/types";
import { asProblem } from "../../api/problem";
import { count, duration, plural } from "../../lib/format";
import { localZone } from "../../lib/zones";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Select } from "../../ui/select";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";

interface Form {
  group: string | null;
  stream: string;
  types: string;
  key: string;
  from: string;
  to: string;
  rate: string;
}

const blank: Form = { group: null, stream: "any", types: "", key: "", from: "", to: "", rate: "" };

/** Local times as the browser has them; empty fields are left out. */
export function replayInput(form: Form, dryRun: boolean): ReplayInput {
  const types = form.types.split(",").map((type) => type.trim()).filter(Boolean);
  return {
    group: form.group ?? "",
    dry_run: dryRun,
    ...(form.stream === "any" ? {} : { stream: form.stream }),
    ...(types.length > 0 ? { types } : {}),
    ...(form.key.trim() ? { key: form.key.trim() } : {}),
    ...(form.from ? { from_time: new Date(form.from).toISOString() } : {}),
    ...(form.to ? { to_time: new Date(form.to).toISOString() } : {}),
    ...(form.rate.trim() ? { per_second: Number(form.rate) } : {}),
  };
}

/** Two steps: a dry run that counts, then the replay of exactly what was counted. */
export function ReplayDialog({ onClose }: { onClose: () => void }) {
  const cache = useQueryClient();
  const groups = useQuery(groupsQuery());
  const [form, setForm] = useState(blank);
  const streams = groups.data?.items.find((group) => group.group === form.group)?.streams ?? [];
  const dry = useMutation({ mutationFn: () => startReplay(replayInput(form, true)) });
  const run = useMutation({
    mutationFn: () => startReplay(replayInput(form, false)),
    onSuccess: () => {
      toast.done(`The replay for ${form.group} has started`);
      void cache.invalidateQueries({ queryKey: ["backbone", "replays"] });
      onClose();
    },
  });
  const change = (patch: Partial<Form>) => {
    dry.reset();
    run.reset();
    setForm((old) => ({ ...old, ...patch }));
  };
  const rate = form.rate.trim() === "" ? null : Number(form.rate);
  const wrongRate = rate !== null && !(Number.isInteger(rate) && rate > 0);
  const backwards = form.from !== "" && form.to !== "" && form.from >= form.to;
  const matched = dry.data?.matched;
  const error = dry.error ?? run.error;
  const problem = error ? asProblem(error) : null;
  return (
    <Dialog
      title="Replay events"
      open
      onClose={onClose}
      wide
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          {matched === undefined ? (
            <Button variant="primary" type="submit" form="replay-form" isDisabled={form.group === null || wrongRate || backwards} isPending={dry.isPending}>
              Dry run
            </Button>
          ) : (
            <Button variant="primary" isDisabled={matched === 0} isPending={run.isPending} onPress={() => run.mutate()}>
              Replay {plural(matched, "event")}
            </Button>
          )}
        </>
      }
    >
      <form
        id="replay-form"
        className="grid gap-4 sm:grid-cols-2"
        onSubmit={(event) => {
          event.preventDefault();
          dry.mutate();
        }}
      >
        <Select label="Group" required className="sm:col-span-2" value={form.group} onChange={(group) => change({ group, stream: "any" })} options={(groups.data?.items ?? []).map((group) => ({ id: group.group, label: group.group }))} placeholder="Whose reaction is to happen once more" error={problem?.field("group")} />
        <Select label="Stream" value={form.stream} onChange={(stream) => change({ stream })} options={[{ id: "any", label: "Every stream it reads" }, ...streams.map((stream) => ({ id: stream, label: stream }))]} error={problem?.field("stream")} />
        <TextField label="Event types" value={form.types} onChange={(types) => change({ types })} placeholder="Every type it reacts to" hint="Several: with commas." error={problem?.field("types")} />
        <TextField label="From" type="datetime-local" value={form.from} onChange={(from) => change({ from })} hint={`Your time, ${localZone()}. Empty: as far back as the log goes.`} error={problem?.field("from_time")} />
        <TextField label="To" type="datetime-local" value={form.to} onChange={(to) => change({ to })} hint="Empty: up to now." error={backwards ? "It must be later than the beginning." : problem?.field("to_time")} />
        <TextField label="Key" value={form.key} onChange={(key) => change({ key })} placeholder="Every key" error={problem?.field("key")} />
        <TextField label="At most a second" inputMode="numeric" value={form.rate} onChange={(next) => change({ rate: next })} placeholder="No limit" error={wrongRate ? "Write a whole number above 0, or leave it empty." : problem?.field("per_second")} />
        {matched !== undefined && (
          <p role="status" className="rounded-md border border-info/50 bg-info-soft px-4 py-3 sm:col-span-2">
            <span className="font-semibold tabular">{count(matched)}</span> {matched === 1 ? "event matches" : "events match"}.{" "}
            {matched > 0 && `${form.group} applies each of them once more, beside what arrives new: what only sets a value stays right; what counts or sends does so again. Until its turn comes, each waits among the group's parked events.`}
            {matched > 0 && rate !== null && !wrongRate && ` It takes about ${duration(matched / rate)}.`}
          </p>
        )}
        <Problems error={error} className="sm:col-span-2" />
      </form>
    </Dialog>
  );
}
