import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Pause, Play } from "lucide-react";
import { useCallback, useMemo } from "react";
import { eventsQuery, streamsQuery, type EventFilters } from "../../api/backbone";
import type { EventItem } from "../../api/types";
import { count, dateTime, time } from "../../lib/format";
import { Button } from "../../ui/button";
import { Chip, type Tone } from "../../ui/chip";
import { DataGrid, type Column } from "../../ui/data-grid";
import { SearchField } from "../../ui/field";
import { Select } from "../../ui/select";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";
import { OpenEvent } from "./open-event";
import { ROWS_MAX, useTail, type TailState } from "./use-tail";

function EventLink({ event }: { event: EventItem }) {
  return (
    <Link to="/streams/events/$eventId" params={{ eventId: event.event_id }} className="font-medium underline-offset-4 hover:underline">
      {event.type}
    </Link>
  );
}

const Place = ({ event }: { event: EventItem }) => <span className="font-mono text-xs text-muted">{event.entry_id ?? "not published yet"}</span>;

const columns: Column<EventItem>[] = [
  { id: "time", header: "Time", width: "6rem", cell: (row) => <span className="tabular text-muted" title={dateTime(row.time)}>{time(row.time)}</span> },
  { id: "type", header: "Event", width: "minmax(12rem, 1.2fr)", cell: (row) => <EventLink event={row} /> },
  { id: "stream", header: "Stream", width: "minmax(12rem, 1.2fr)", cell: (row) => <span className="text-muted">{row.stream}</span> },
  { id: "key", header: "Key", width: "minmax(12rem, 1.4fr)", cell: (row) => <span className="font-mono text-xs" title={row.key}>{row.key}</span> },
  { id: "entry", header: "Place in the stream", width: "minmax(11rem, 1fr)", cell: (row) => <Place event={row} /> },
];

const states: Record<TailState, [Tone, string]> = {
  connecting: ["neutral", "Connecting"],
  live: ["ok", "Following"],
  lost: ["bad", "Connection lost, trying again"],
  hidden: ["neutral", "Stopped while hidden"],
};

export default function LiveTail() {
  const filters = useSearch({ from: "/streams-frame/streams/tail" });
  const navigate = useNavigate();
  const before = useQuery(eventsQuery(filters));
  const tail = useTail(filters, useMemo(() => before.data?.items ?? [], [before.data]));
  const change = useCallback((patch: EventFilters) => void navigate({ to: "/streams/tail", search: { ...filters, ...patch }, replace: true }), [navigate, filters]);
  const filtered = Boolean(filters.stream || filters.type || filters.key);
  const [tone, word] = tail.paused ? (["warn", "Frozen"] as const) : states[tail.state];
  return (
    <>
      <Filters filters={filters} change={change} />
      <div className="mb-3 flex flex-wrap items-center gap-3 text-sm text-muted">
        <Chip tone={tone} live={!tail.paused && tail.state === "live"}>
          {word}
        </Chip>
        <Button size="sm" aria-live="polite" icon={tail.paused ? <Play aria-hidden /> : <Pause aria-hidden />} onPress={tail.toggle} className="tabular">
          {tail.paused ? (tail.waiting > 0 ? `Resume · ${tail.waiting >= ROWS_MAX ? `${ROWS_MAX}+` : count(tail.waiting)} waiting` : "Go on") : "Stand still"}
        </Button>
        <span>The newest {count(ROWS_MAX)} are kept on this page.</span>
        {tail.skipped && <span className="text-warn">More events arrived than are shown; all of them are in the log.</span>}
      </div>
      <div className="card overflow-hidden">
        <QueryState query={before} skeleton={<Skeleton rows={10} className="p-4" />}>
          {tail.rows.length === 0 ? (
            <EmptyState title={filtered ? "No event matches these filters" : "No event yet"} action={filtered && <Button onPress={() => void navigate({ to: "/streams/tail", search: {} })}>Clear filters</Button>}>
              {!filtered && "Every change on the platform is an event; the first one appears here as it happens."}
            </EmptyState>
          ) : (
            <DataGrid
              label="Events"
              columns={columns}
              rows={tail.rows}
              rowKey={(row) => row.event_id}
              rowHeight={42}
              cardHeight={88}
              onOpen={(row) => void navigate({ to: "/streams/events/$eventId", params: { eventId: row.event_id } })}
              card={(row) => (
                <>
                  <p className="flex items-baseline justify-between gap-3">
                    <span className="min-w-0 truncate">
                      <EventLink event={row} />
                    </span>
                    <span className="text-xs text-muted tabular">{time(row.time)}</span>
                  </p>
                  <p className="truncate text-sm text-muted">{row.stream}</p>
                  <p className="truncate font-mono text-xs text-muted">{row.key}</p>
                </>
              )}
            />
          )}
        </QueryState>
      </div>
    </>
  );
}

function Filters({ filters, change }: { filters: EventFilters; change: (patch: EventFilters) => void }) {
  const streams = useQuery(streamsQuery());
  const type = useCallback((text: string) => change({ type: text || undefined }), [change]);
  const key = useCallback((text: string) => change({ key: text || undefined }), [change]);
  return (
    <div className="mb-4 grid gap-2.5 sm:grid-cols-2 xl:grid-cols-4">
      <Select
        label="Stream"
        bare
        value={filters.stream ?? "any"}
        onChange={(stream) => change({ stream: stream === "any" ? undefined : stream })}
        options={[{ id: "any", label: "Any stream" }, ...(streams.data?.items ?? []).map((stream) => ({ id: stream.stream, label: stream.stream }))]}
      />
      <SearchField label="Exact type, such as CampaignLaunched" value={filters.type ?? ""} onChange={type} />
      <SearchField label="Exact key" value={filters.key ?? ""} onChange={key} />
      <OpenEvent />
    </div>
  );
}
