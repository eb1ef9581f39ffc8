import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { groupsQuery, startReplay } from "../../api/backbone";
import { asProblem } from "../../api/problem";
import { count, duration, plural } from "../../lib/format";
import { localZone } from "../../lib/zones";
import { Button } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Select } from "../../ui/select";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";
import { rateError, rateOf } from "./rate";
import { blankReplay, rangeErrors, replayInput, type ReplayForm } from "./replay-model";

const ranges = [
  { id: "time" as const, label: "From a time" },
  { id: "entry" as const, label: "From an entry id" },
];

/** Two steps: a dry run that counts, then the replay of exactly what was counted. */
export function ReplayDialog({ onClose }: { onClose: () => void }) {
  const cache = useQueryClient();
  const groups = useQuery(groupsQuery());
  const [form, setForm] = useState(blankReplay);
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
  const change = (patch: Partial<ReplayForm>) => {
    dry.reset();
    run.reset();
    setForm((old) => ({ ...old, ...patch }));
  };
  const rate = rateOf(form.rate);
  const wrongRate = rateError(form.rate);
  const wrongRange = rangeErrors(form);
  const isWrong = Boolean(wrongRate || wrongRange.from || wrongRange.to);
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
            <Button variant="primary" type="submit" form="replay-form" isDisabled={form.group === null || isWrong} isPending={dry.isPending}>
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
        <Select label="Group" required className="sm:col-span-2" value={form.group} onChange={(group) => change({ group, stream: "any" })} options={(groups.data?.items ?? []).map((group) => ({ id: group.group, label: group.group }))} placeholder="The group that processes the events again" error={problem?.field("group")} />
        <Select label="Stream" value={form.stream} onChange={(stream) => change({ stream })} options={[{ id: "any", label: "Every stream it reads" }, ...streams.map((stream) => ({ id: stream, label: stream }))]} error={problem?.field("stream")} />
        <TextField label="Event types" value={form.types} onChange={(types) => change({ types })} placeholder="Every type it subscribes to" hint="Several: with commas." error={problem?.field("types")} />
        <Segmented label="Range" className="sm:col-span-2" value={form.by} onChange={(by) => change({ by })} options={ranges} />
        {form.by === "time" ? (
          <>
            <TextField label="From" type="datetime-local" value={form.fromTime} onChange={(fromTime) => change({ fromTime })} hint={`Your time, ${localZone()}. Empty: as far back as the log goes.`} error={problem?.field("from_time")} />
            <TextField label="To" type="datetime-local" value={form.toTime} onChange={(toTime) => change({ toTime })} hint="Empty: up to now." error={wrongRange.to ?? problem?.field("to_time")} />
          </>
        ) : (
          <>
            <TextField label="First entry" mono value={form.fromEntry} onChange={(fromEntry) => change({ fromEntry })} placeholder="1795231172902-17" hint="“Place in the stream” on an event's page. Empty: as far back as the log goes." error={wrongRange.from ?? problem?.field("from_entry_id")} />
            <TextField label="Last entry" mono value={form.toEntry} onChange={(toEntry) => change({ toEntry })} placeholder="1795231172902-17" hint="Inclusive. Empty: up to now." error={wrongRange.to ?? problem?.field("to_entry_id")} />
          </>
        )}
        <TextField label="Key" value={form.key} onChange={(key) => change({ key })} placeholder="Every key" error={problem?.field("key")} />
        <TextField label="At most a second" inputMode="numeric" value={form.rate} onChange={(next) => change({ rate: next })} placeholder="No limit" error={wrongRate ?? problem?.field("per_second")} />
        {matched !== undefined && (
          <p role="status" className="rounded-md border border-info/50 bg-info-soft px-4 py-3 sm:col-span-2">
            <span className="font-semibold tabular">{count(matched)}</span> {matched === 1 ? "event matches" : "events match"}.{" "}
            {matched > 0 && `${form.group} applies each of them again, alongside new events. Handlers that only set a value stay correct; handlers that count or send do so again. Each event waits among the group's parked events for its turn.`}
            {matched > 0 && rate !== undefined && !wrongRate && ` It takes about ${duration(matched / rate)}.`}
          </p>
        )}
        <Problems error={error} className="sm:col-span-2" />
      </form>
    </Dialog>
  );
}
