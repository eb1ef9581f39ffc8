import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { History, Plus } from "lucide-react";
import { useState } from "react";
import { cancelReplay, replaysQuery } from "../../api/backbone";
import type { Replay } from "../../api/types";
import { ago, count, dateTime, plural } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { Chip, type Tone } from "../../ui/chip";
import { ConfirmDialog } from "../../ui/dialog";
import { Progress } from "../../ui/progress";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { ReplayDialog } from "./replay-form";

export default function Replays() {
  const replays = useQuery(replaysQuery());
  const [starting, setStarting] = useState(false);
  const items = replays.data?.items ?? [];
  const start = (
    <Button needs="streams:operate" variant="primary" icon={<Plus aria-hidden />} onPress={() => setStarting(true)}>
      Replay events
    </Button>
  );
  return (
    <>
      <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
        <p className="max-w-2xl text-sm text-muted">A replay sends past events to one group again, in order per key, as far back as the log reaches.</p>
        {items.length > 0 && start}
      </div>
      <QueryState query={replays} skeleton={<Skeleton rows={3} height={110} />}>
        {items.length === 0 ? (
          <div className="card">
            <EmptyState icon={<History aria-hidden />} title="Nothing was replayed yet" action={start}>
              It starts with a dry run that counts the matching events.
            </EmptyState>
          </div>
        ) : (
          <ArrowList className="grid gap-3">
            {items.map((replay) => (
              <ReplayCard key={replay.id} replay={replay} />
            ))}
          </ArrowList>
        )}
      </QueryState>
      {starting && <ReplayDialog onClose={() => setStarting(false)} />}
    </>
  );
}

const tones: Record<Replay["status"], Tone> = { pending: "info", running: "accent", completed: "ok", canceled: "neutral", failed: "bad" };
const words: Record<Replay["status"], string> = { pending: "Waits", running: "Running", completed: "Completed", canceled: "Canceled", failed: "Failed" };

function rangeOf(replay: Replay): string {
  const what = [replay.stream, replay.types?.join(", "), replay.key && `key ${replay.key}`].filter(Boolean).join(", ");
  const first = replay.from_entry_id ?? (replay.from_time && dateTime(replay.from_time));
  const last = replay.to_entry_id ?? (replay.to_time && dateTime(replay.to_time));
  const from = first ? `from ${first}` : "from the beginning";
  const to = last ? `to ${last}` : "to its start";
  return [what || "every event it reacts to", `${from} ${to}`, replay.per_second && `${count(replay.per_second)} a second at most`].filter(Boolean).join("; ");
}

function ReplayCard({ replay }: { replay: Replay }) {
  const now = useNow();
  const [asking, setAsking] = useState(false);
  const cache = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => cancelReplay(replay.id),
    onSuccess: () => {
      toast.done("Replay canceled");
      void cache.invalidateQueries({ queryKey: ["backbone", "replays"] });
    },
  });
  const open = replay.status === "pending" || replay.status === "running";
  return (
    <li className="card grid gap-3 px-5 py-4">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          <div className="flex flex-wrap items-center gap-3">
            <h2 className="font-semibold wrap-anywhere">{replay.group}</h2>
            <Chip tone={tones[replay.status]} live={replay.status === "running"}>
              {words[replay.status]}
            </Chip>
          </div>
          <p className="mt-1 text-sm wrap-anywhere text-muted">{rangeOf(replay)}</p>
        </div>
        {open && (
          <Button needs="streams:operate" size="sm" variant="danger" onPress={() => setAsking(true)}>
            Cancel
          </Button>
        )}
      </div>
      <Progress label={`${count(replay.done)} of ${plural(replay.matched, "event")}`} value={replay.matched > 0 ? Math.min(1, replay.done / replay.matched) : replay.status === "completed" ? 1 : 0} tone={replay.status === "completed" ? "ok" : "accent"} />
      <p className="text-xs text-muted tabular">
        {replay.failed > 0 && <span className="font-medium text-bad">{count(replay.failed)} failed and are parked or dead letters. </span>}
        {replay.error && <span className="text-bad">{replay.error} </span>}
        Asked for by {replay.requested_by ?? "the command line"}, <span title={dateTime(replay.requested_at)}>{ago(replay.requested_at, Math.max(now, Date.parse(replay.requested_at)))}</span>
        {replay.finished_at && `, ended ${ago(replay.finished_at, Math.max(now, Date.parse(replay.finished_at)))}`}
      </p>
      <ConfirmDialog title="Cancel this replay?" open={asking} onClose={() => setAsking(false)} onConfirm={() => cancel.mutateAsync()} action="Cancel the replay" dismiss="Keep replaying" danger>
        <p>{plural(replay.done, "event")} of {count(replay.matched)} were applied again and stay applied. The rest is not replayed.</p>
      </ConfirmDialog>
    </li>
  );
}
