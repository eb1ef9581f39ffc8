import { useNavigate, useSearch } from "@tanstack/react-router";
import { Pause, Play, Radar } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import type { MonitoringFilters } from "../../api/monitoring";
import { count, dateTime, time } from "../../lib/format";
import { useIsPhone } from "../../lib/hooks";
import { ROWS_MAX, type Backlog, type Row } from "../../realtime/backlog";
import { useLiveState } from "../../realtime/client";
import { categories } from "../../realtime/frames";
import { Button } from "../../ui/button";
import { DataGrid, type Column } from "../../ui/data-grid";
import { SearchField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { Select } from "../../ui/select";
import { EmptyState, Skeleton } from "../../ui/states";
import { CategoryChip } from "./event";
import { categoryWords, matches, summary } from "./words";

const CARD = 102;

/** The list, standing still or following. */
export function EventsCard({ backlog, onOpen }: { backlog: Backlog; onOpen: (row: Row) => void }) {
  const filters = useSearch({ from: "/monitoring" });
  const navigate = useNavigate();
  const change = useCallback((patch: MonitoringFilters) => void navigate({ to: "/monitoring", search: (old) => ({ ...old, ...patch }), replace: true }), [navigate]);
  const still = useStandingStill(backlog.rows);
  const wanted = filters.search?.toLowerCase() ?? "";
  const shown = useMemo(() => still.rows.filter((row) => matches(row, filters.category, wanted)), [still.rows, filters.category, wanted]);
  const columns = useColumns(onOpen);
  const phone = useIsPhone();
  return (
    <Card
      title="Events"
      padded={false}
      aside={
        <Button size="sm" icon={still.paused ? <Play aria-hidden /> : <Pause aria-hidden />} onPress={still.toggle} className="tabular">
          {still.paused ? (still.waiting > 0 ? `Resume list · ${still.waiting >= ROWS_MAX ? `${count(ROWS_MAX)}+` : count(still.waiting)} waiting` : "Resume list") : "Pause list"}
        </Button>
      }
    >
      <div className="grid gap-2.5 px-5 pt-1 pb-3 sm:grid-cols-[minmax(0,20rem)_12rem_1fr]">
        <SearchField label="Search events" value={filters.search ?? ""} onChange={useCallback((search: string) => change({ search: search || undefined }), [change])} />
        <Select
          label="Category"
          bare
          value={filters.category ?? "any"}
          onChange={(category) => change({ category: categories.find((known) => known === category) })}
          options={[{ id: "any", label: "Any category" }, ...categories.map((category) => ({ id: category, label: categoryWords[category] }))]}
        />
        <p className="self-center text-xs text-muted tabular sm:text-right">
          {shown.length < still.rows.length && `${count(shown.length)} of ${count(still.rows.length)} match. `}
          The newest {count(ROWS_MAX)} are kept on this page
          {backlog.cut > 0 ? `; ${count(backlog.cut)} older ones left it.` : "."}
        </p>
      </div>
      {backlog.position === "" ? (
        <Skeleton rows={6} className="px-5 pb-5" />
      ) : shown.length === 0 ? (
        <EmptyState
          icon={<Radar aria-hidden />}
          title={still.rows.length > 0 ? "No event matches these filters" : "No event yet"}
          action={still.rows.length > 0 && <Button onPress={() => change({ category: undefined, search: undefined })}>Clear filters</Button>}
        >
          {still.rows.length === 0 && "Imports, campaigns, replies, flags and failures appear here as they happen."}
        </EmptyState>
      ) : (
        <DataGrid label="Monitoring events" columns={columns} rows={shown} rowKey={(row) => row.event_id} rowHeight={42} cardHeight={CARD} height={`min(60dvh, ${phone ? shown.length * CARD : shown.length * 42 + 44}px)`} onOpen={onOpen} card={(row) => <EventCard row={row} onOpen={onOpen} />} />
      )}
    </Card>
  );
}

function useColumns(onOpen: (row: Row) => void): Column<Row>[] {
  return useMemo(
    () => [
      { id: "time", header: "Time", width: "5.5rem", cell: (row) => <span className="text-muted tabular" title={dateTime(row.timestamp)}>{time(row.timestamp)}</span> },
      { id: "category", header: "Category", width: "8rem", cell: (row) => <CategoryChip row={row} /> },
      { id: "type", header: "Event", width: "minmax(12rem, 1fr)", cell: (row) => <OpenButton row={row} onOpen={onOpen} /> },
      { id: "data", header: "Data", width: "minmax(14rem, 2fr)", cell: (row) => <span className="text-sm" title={summary(row.data)}>{summary(row.data) || <span className="text-muted">none</span>}</span> },
      { id: "source", header: "Source", width: "minmax(9rem, 1fr)", cell: (row) => <span className="text-sm text-muted">{row.source}</span> },
    ],
    [onOpen],
  );
}

const OpenButton = ({ row, onOpen }: { row: Row; onOpen: (row: Row) => void }) => (
  <button type="button" className="min-h-6 max-w-full truncate rounded-sm text-left font-medium underline-offset-4 hover:underline" onClick={() => onOpen(row)}>
    {row.event_type}
  </button>
);

const EventCard = ({ row, onOpen }: { row: Row; onOpen: (row: Row) => void }) => (
  <>
    <p className="flex items-baseline justify-between gap-3">
      <OpenButton row={row} onOpen={onOpen} />
      <span className="text-xs text-muted tabular">{time(row.timestamp)}</span>
    </p>
    <p className="flex items-center gap-2 text-xs text-muted">
      <CategoryChip row={row} />
      <span className="min-w-0 truncate">{row.source}</span>
    </p>
    <p className="truncate text-sm">{summary(row.data)}</p>
  </>
);

/** Stands still when asked to here, or when all live figures do; what comes meanwhile is kept and counted. */
function useStandingStill(rows: readonly Row[]): { rows: Row[]; paused: boolean; waiting: number; toggle: () => void } {
  const [frozen, setFrozen] = useState<readonly Row[] | null>(null);
  const { paused: allPaused } = useLiveState();
  const [wasPaused, setWasPaused] = useState(allPaused);
  if (wasPaused !== allPaused) {
    setWasPaused(allPaused);
    setFrozen(allPaused ? rows : null);
  }
  const top = frozen?.[0]?.event_id;
  const at = rows.findIndex((row) => row.event_id === top);
  return {
    rows: (frozen ?? rows) as Row[],
    paused: frozen !== null,
    waiting: frozen === null ? 0 : at < 0 ? rows.length : at,
    toggle: () => setFrozen(frozen === null ? rows : null),
  };
}
