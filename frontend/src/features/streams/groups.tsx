import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Pause, Play } from "lucide-react";
import { useState } from "react";
import { groupsQuery, pauseGroup, resumeGroup } from "../../api/backbone";
import type { Group } from "../../api/types";
import { ago, count, dateTime, duration, plural } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { Chip, type Tone } from "../../ui/chip";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Sparkline } from "../../ui/sparkline";
import { EmptyState, Freshness, Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { ParkedDrawer } from "./parked";

export default function Groups() {
  const groups = useQuery(groupsQuery());
  const items = groups.data?.items ?? [];
  return (
    <QueryState query={groups} skeleton={<Skeleton rows={5} height={120} />}>
      {items.length === 0 ? (
        <div className="card">
          <EmptyState title="No group has read anything yet">A consumer group handles events for one purpose. It appears here when its consumer first runs.</EmptyState>
        </div>
      ) : (
        <>
          <p className="mb-3 flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-muted">
            <span>{plural(items.length, "group")}. Lag is the number of published events that the group has not taken yet.</span>
            <Freshness at={groups.dataUpdatedAt} />
          </p>
          <ArrowList className="grid gap-3">
            {items.map((group) => (
              <GroupCard key={group.group} group={group} />
            ))}
          </ArrowList>
        </>
      )}
    </QueryState>
  );
}

const states: Record<Group["state"], [Tone, string]> = {
  running: ["ok", "Running"],
  paused: ["warn", "Paused"],
  waiting: ["info", "Waits"],
  no_consumer: ["bad", "No consumer"],
};

function GroupCard({ group }: { group: Group }) {
  const [asking, setAsking] = useState<"pause" | "parked" | null>(null);
  const cache = useQueryClient();
  const resume = useMutation({
    mutationFn: () => resumeGroup(group.group),
    onSuccess: () => {
      toast.done(`${group.group} resumed`);
      for (const queryKey of [["backbone", "groups"], ["monitoring", "holds"], ["dashboard"]]) void cache.invalidateQueries({ queryKey });
    },
    onError: toast.failed,
  });
  const [tone, word] = states[group.state] ?? ["neutral", group.state];
  return (
    <li aria-label={group.group} className="card grid items-center gap-x-6 gap-y-4 px-5 py-4 md:grid-cols-[minmax(0,1.6fr)_minmax(0,1fr)_minmax(0,1fr)_6.5rem]">
      <div className="min-w-0">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <h2 className="font-semibold wrap-anywhere">{group.group}</h2>
          <Chip tone={tone} live={group.state === "running"}>
            {word}
          </Chip>
        </div>
        <p className="mt-1 text-sm wrap-anywhere text-muted">{group.streams.join(", ") || "no stream yet"}</p>
        <Detail group={group} />
      </div>
      <Lag group={group} />
      <dl className="grid grid-cols-2 gap-3 text-sm">
        <div>
          <dt className="text-muted">Parked</dt>
          <dd className="font-medium tabular">
            {group.parked_events > 0 ? (
              <button type="button" className="min-h-6 text-left text-warn underline underline-offset-4" onClick={() => setAsking("parked")}>
                {plural(group.parked_events, "event")}, {plural(group.parked_keys, "key")}
              </button>
            ) : (
              "0"
            )}
          </dd>
        </div>
        <div>
          <dt className="text-muted">Dead letters</dt>
          <dd className="font-medium tabular">
            {group.dead_letters > 0 ? (
              <Link to="/streams/dead-letters" search={{ group: group.group }} className="inline-flex min-h-6 items-center text-bad underline underline-offset-4">
                {count(group.dead_letters)} open
              </Link>
            ) : (
              "0"
            )}
          </dd>
        </div>
      </dl>
      <div className="flex md:justify-end">
        {group.state === "paused" ? (
          <Button needs="streams:operate" size="sm" variant="primary" icon={<Play aria-hidden />} isPending={resume.isPending} onPress={() => resume.mutate()} aria-label={`Resume ${group.group}`}>
            Resume
          </Button>
        ) : (
          <Button needs="streams:operate" size="sm" icon={<Pause aria-hidden />} onPress={() => setAsking("pause")} aria-label={`Pause ${group.group}`}>
            Pause
          </Button>
        )}
      </div>
      {asking === "pause" && <PauseDialog group={group} onClose={() => setAsking(null)} />}
      {asking === "parked" && <ParkedDrawer group={group.group} onClose={() => setAsking(null)} />}
    </li>
  );
}

function Detail({ group }: { group: Group }) {
  const now = useNow();
  if (group.state === "paused")
    return (
      <p className="mt-1 text-sm wrap-anywhere">
        {group.pause_reason ? `“${group.pause_reason}”` : "No reason was given"}
        <span className="text-muted">
          {" "}
          {group.paused_by && `by ${group.paused_by}`}
          {group.paused_at && `, ${ago(group.paused_at, Math.max(now, Date.parse(group.paused_at)))}`}
        </span>
      </p>
    );
  return (
    <p className="mt-1 text-xs text-muted tabular" title={group.holder ? `Held by ${group.holder}` : undefined}>
      {count(group.consumed_total)} events so far{group.last_consumed_at && `, the last ${ago(group.last_consumed_at, Math.max(now, Date.parse(group.last_consumed_at)))}`}
      {group.state === "no_consumer" && ". Start ese consume: what waits stays in the log"}
    </p>
  );
}

/** Lag that is not known is not zero. */
function Lag({ group }: { group: Group }) {
  const samples = group.lag_history;
  const most = Math.max(0, ...samples.map((sample) => sample.events));
  const from = samples[0]?.at;
  return (
    <div className="min-w-0">
      <p className="flex items-baseline justify-between gap-3 text-sm">
        <span className="text-muted">Lag</span>
        <span className="tabular">
          <span className={group.lag_events ? "font-semibold" : "text-muted"}>{group.lag_events === null ? "–" : plural(group.lag_events, "event")}</span>
          {group.lag_seconds !== null && group.lag_events !== null && group.lag_events > 0 && <span className="ml-2 text-muted">{duration(group.lag_seconds)}</span>}
        </span>
      </p>
      <Sparkline values={samples.map((sample) => sample.events)} label={samples.length > 0 && from ? `Lag of ${group.group} since ${dateTime(from)}: at most ${plural(most, "event")}` : "No lag recorded yet"} />
    </div>
  );
}

function PauseDialog({ group, onClose }: { group: Group; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const cache = useQueryClient();
  const pause = useMutation({
    mutationFn: () => pauseGroup(group.group, reason.trim()),
    onSuccess: () => {
      toast.done(`${group.group} is paused`);
      for (const queryKey of [["backbone", "groups"], ["monitoring", "holds"], ["dashboard"]]) void cache.invalidateQueries({ queryKey });
      onClose();
    },
  });
  return (
    <Dialog
      title={`Pause ${group.group}?`}
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Keep it running</Button>
          <Button variant="primary" type="submit" form="pause-group" isDisabled={reason.trim() === ""} isPending={pause.isPending}>
            Pause the group
          </Button>
        </>
      }
    >
      <form
        id="pause-group"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          pause.mutate();
        }}
      >
        <p>It finishes its current batch and stops reading. New events wait in the log and are applied when it is resumed. Other groups continue.</p>
        <TextField label="Why" required value={reason} onChange={setReason} autoFocus hint="Recorded in the audit trail, and shown while the group is paused." />
        <Problems error={pause.error} />
      </form>
    </Dialog>
  );
}
