import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { streamsQuery } from "../../api/backbone";
import type { StreamInfo } from "../../api/types";
import { ago, count, dateTime, duration, plural } from "../../lib/format";
import { useIsPhone, useNow } from "../../lib/hooks";
import { Chip } from "../../ui/chip";
import { Card } from "../../ui/layout";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { SimpleTable } from "../../ui/table";
import { HoldCard } from "./hold";
import { RelayCard } from "./relay";

export default function Streams() {
  const streams = useQuery(streamsQuery());
  return (
    <div className="grid gap-4">
      <HoldCard />
      <RelayCard streams={streams.data?.items ?? []} />
      <Card title="Streams" padded={false} aside={streams.data && <Freshness at={streams.dataUpdatedAt} />}>
        <QueryState query={streams} skeleton={<Skeleton rows={5} className="p-4" />}>
          {streams.data && <StreamTable streams={streams.data.items} />}
        </QueryState>
      </Card>
    </div>
  );
}

function StreamTable({ streams }: { streams: StreamInfo[] }) {
  const now = useNow();
  const phone = useIsPhone();
  if (streams.length === 0) return <EmptyState title="Nothing has been published yet">A stream appears here with its first event.</EmptyState>;
  if (phone)
    return (
      <ul className="divide-y divide-line border-t border-line bg-solid">
        {streams.map((stream) => (
          <li key={stream.stream} className="grid gap-1 px-5 py-3">
            <p className="flex flex-wrap items-center justify-between gap-x-3 gap-y-1">
              <TailLink stream={stream.stream} />
              <StreamState stream={stream} />
            </p>
            <p className="text-sm text-muted tabular">
              {stream.entries === null ? "entries not known" : plural(stream.entries, "entry", "entries")}
              {stream.last_at && `, the last ${ago(stream.last_at, Math.max(now, Date.parse(stream.last_at)))}`}
              {stream.unpublished_events > 0 && `, ${count(stream.unpublished_events)} not published yet`}
            </p>
            {stream.groups.length > 0 && <p className="text-xs wrap-anywhere text-muted">{stream.groups.join(", ")}</p>}
          </li>
        ))}
      </ul>
    );
  return (
    <SimpleTable
      label="Streams"
      head={[{ label: "Stream" }, { label: "State", narrow: true }, { label: "Entries", align: "end" }, { label: "Last entry", align: "end", narrow: true }, { label: "Not published yet", align: "end", narrow: true }, { label: "Groups that read it" }]}
      rows={streams.map((stream) => ({
        key: stream.stream,
        cells: [
          <TailLink key="name" stream={stream.stream} />,
          <StreamState key="state" stream={stream} />,
          stream.entries === null ? <Unknown key="entries" /> : count(stream.entries),
          stream.last_at ? <span key="last" title={`${stream.last_entry_id}, ${dateTime(stream.last_at)}`}>{ago(stream.last_at, Math.max(now, Date.parse(stream.last_at)))}</span> : <Unknown key="last" />,
          <Waiting key="waiting" stream={stream} />,
          <span key="groups" className="text-muted">{stream.groups.join(", ") || "none"}</span>,
        ],
      }))}
    />
  );
}

const TailLink = ({ stream }: { stream: string }) => (
  <Link to="/streams/tail" search={{ stream }} className="inline-flex min-h-6 items-center font-medium whitespace-nowrap underline-offset-4 hover:underline">
    {stream}
  </Link>
);

const Unknown = () => (
  <span className="text-muted" title="Not reported by the transport">
    –
  </span>
);

function StreamState({ stream }: { stream: StreamInfo }) {
  if (stream.state === "ok") return <Chip tone="ok">Publishing</Chip>;
  if (stream.state === "busy") return <Chip tone="warn">{`Waits: ${stream.code ?? "busy"}`}</Chip>;
  return <Chip tone="bad">{`Refused: ${stream.code ?? "by the transport"}`}</Chip>;
}

function Waiting({ stream }: { stream: StreamInfo }) {
  const oldest = stream.oldest_unpublished_seconds;
  return (
    <span className={stream.unpublished_events > 0 ? undefined : "text-muted"}>
      {count(stream.unpublished_events)}
      {oldest !== null && stream.unpublished_events > 0 && <span className="block text-xs text-muted">oldest {duration(oldest)}</span>}
      {stream.parked_rows > 0 && <span className="block text-xs text-bad">{count(stream.parked_rows)} no stream takes</span>}
    </span>
  );
}
