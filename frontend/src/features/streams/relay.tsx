import { useQuery } from "@tanstack/react-query";
import { CircleAlert, Copy } from "lucide-react";
import { relayQuery } from "../../api/backbone";
import type { RelayInfo, StreamInfo } from "../../api/types";
import { ago, bytes, count, duration, plural } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { IconButton } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { Card, Definition, Stat } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";

const RELEASE = 'ese restore release --by "your name" --reason "why it is right"';

/** Who publishes, how far behind, and what holds them up. */
export function RelayCard({ streams }: { streams: StreamInfo[] }) {
  const relay = useQuery(relayQuery());
  return (
    <QueryState query={relay} skeleton={<Skeleton rows={2} height={96} />}>
      {relay.data && <Relay relay={relay.data} streams={streams} />}
    </QueryState>
  );
}

function Relay({ relay, streams }: { relay: RelayInfo; streams: StreamInfo[] }) {
  const now = useNow();
  const waiting = streams.reduce((sum, stream) => sum + stream.unpublished_events, 0);
  const oldest = Math.max(-1, ...streams.map((stream) => stream.oldest_unpublished_seconds ?? -1));
  const tick = relay.last_tick_at ? ago(relay.last_tick_at, Math.max(now, Date.parse(relay.last_tick_at))) : "–";
  return (
    <>
      {relay.generation_refused && <Refused why={relay.generation_refused} />}
      <section aria-label="Relay" className="grid gap-3 sm:gap-4">
        <dl className="grid grid-cols-2 gap-3 sm:gap-4 md:grid-cols-4">
          <Stat label="Relay" value={relay.works ? "Running" : "Stalled"} tone={relay.works ? "ok" : "bad"} hint={relay.holder ? `${relay.holder}, epoch ${relay.epoch ?? "–"}` : "nobody holds it: start ese relay"} />
          <Stat label="Last tick" value={tick} hint={`only when something was written; ${count(relay.ticks_per_minute)} in the last minute`} />
          <Stat label="Published" value={`${count(relay.events_per_minute)} / min`} hint="events in the last minute" />
          <Stat label="Oldest unpublished" value={oldest >= 0 && waiting > 0 ? duration(oldest) : "–"} hint={waiting === 0 ? "nothing waits" : plural(waiting, "event waits", "events wait")} tone={oldest > 30 && waiting > 0 ? "bad" : undefined} />
        </dl>
        <div className="grid gap-4 lg:grid-cols-2">
          <Card title="Capacity and retention">
            <Definition
              items={[
                ["Memory of the streams", <Memory key="memory" memory={relay.memory} />],
                ["Events are kept", `${plural(relay.retention.days, "day")}${relay.retention.oldest_partition ? `, since ${day(relay.retention.oldest_partition)}` : ""}`],
                ["Kept longer for", relay.retention.held_by ?? "nobody"],
                ["Generation", count(relay.generation)],
              ]}
            />
          </Card>
          <Card title="What blocks publishing">
            <Blockers blockers={relay.blockers} />
          </Card>
        </div>
      </section>
    </>
  );
}

/** "outbox_20261121" as the day that it stands for. */
const day = (partition: string): string => partition.replace(/^.*_(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3");

function Refused({ why }: { why: string }) {
  const copy = () => navigator.clipboard.writeText(RELEASE).then(() => toast.done("Command copied"), toast.failed);
  return (
    <div role="alert" className="flex gap-3 rounded-md border border-bad bg-bad-soft px-4 py-3 text-md">
      <CircleAlert aria-hidden className="mt-0.5 size-5 shrink-0 text-bad" />
      <div className="min-w-0">
        <p className="font-semibold">The relay refuses to publish from this database.</p>
        <p className="wrap-anywhere">{why}</p>
        <p className="mt-2">If this database is the right one, release the hold on sending here, or run:</p>
        <p className="mt-1 flex items-center gap-2">
          <code className="rounded-md border border-line-strong bg-solid px-2.5 py-1 font-mono text-sm wrap-anywhere">{RELEASE}</code>
          {"clipboard" in navigator && (
            <IconButton label="Copy the command" onPress={() => void copy()}>
              <Copy />
            </IconButton>
          )}
        </p>
      </div>
    </div>
  );
}

function Memory({ memory }: { memory: RelayInfo["memory"] }) {
  if (!memory) return <span className="text-muted">not known</span>;
  if (!memory.max_bytes) return <span>{bytes(memory.used_bytes)}, no limit set</span>;
  const share = Math.min(1, memory.used_bytes / memory.max_bytes);
  return (
    <span className="grid gap-1.5">
      <span>
        {bytes(memory.used_bytes)} of {bytes(memory.max_bytes)}
      </span>
      <span aria-hidden className="h-2 overflow-hidden rounded-full bg-line">
        <span className={`block h-full rounded-full ${share > 0.9 ? "bg-bad" : "bg-accent"}`} style={{ width: `${share * 100}%` }} />
      </span>
    </span>
  );
}

function Blockers({ blockers }: { blockers: RelayInfo["blockers"] }) {
  if (blockers.length === 0) return <p className="text-muted">No transaction that has written stays open for more than 5 seconds.</p>;
  return (
    <ul className="divide-y divide-line">
      {blockers.map((blocker) => (
        <li key={`${blocker.pid} ${blocker.application}`} className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1 py-2 first:pt-0">
          <span className="font-medium">{blocker.application || "A session without a name"}</span>
          <Chip tone="warn">{`open for ${duration(blocker.age_seconds)}`}</Chip>
          <span className="w-full text-sm text-muted">
            {blocker.state ?? "state not known"}
            {blocker.pid > 0 && `, process ${blocker.pid} of PostgreSQL`}
          </span>
        </li>
      ))}
    </ul>
  );
}
