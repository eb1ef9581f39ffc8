import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { MailX, RotateCw } from "lucide-react";
import { useCallback, useState } from "react";
import { groupsQuery, lettersQuery, type LetterFilters } from "../../api/backbone";
import type { DeadLetter } from "../../api/types";
import { ago, count, dateTime, plural } from "../../lib/format";
import { Button } from "../../ui/button";
import { DataGrid, type Column } from "../../ui/data-grid";
import { Checkbox, SearchField } from "../../ui/field";
import { Select } from "../../ui/select";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { Causes } from "./causes";
import { LetterDrawer } from "./letter";
import { DiscardDialog, LetterChip, RedriveDialog, useRedriveOne, type Chosen } from "./letter-actions";
import { attemptsText, shortError } from "./words";

export default function DeadLetters() {
  const search = useSearch({ from: "/streams-frame/streams/dead-letters" });
  const { letter: opened, ...filters } = search;
  const status = filters.status ?? "open";
  const navigate = useNavigate();
  const letters = useInfiniteQuery(lettersQuery({ ...filters, status }));
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [asking, setAsking] = useState<{ what: "redrive" | "discard"; chosen: Chosen } | null>(null);
  const one = useRedriveOne();
  const rows = letters.data?.pages.flatMap((page) => page.items) ?? [];
  const chosen = rows.filter((row) => picked.has(row.id) && row.status === "open");
  const change = useCallback(
    (patch: LetterFilters & { letter?: string }) => void navigate({ to: "/streams/dead-letters", search: { ...search, ...patch }, replace: true }),
    [navigate, search],
  );
  const pick = (id: string, on: boolean) => {
    const next = new Set(picked);
    if (on) next.add(id);
    else next.delete(id);
    setPicked(next);
  };
  const { status: _, ...matching } = filters;
  const { cause, ...withoutCause } = filters;
  const narrowed = Object.values(matching).some(Boolean);
  const everything: Chosen = { filter: matching, words: narrowed ? "every open dead letter that these filters match" : "every open dead letter" };
  const selected: Chosen = { ids: chosen.map((row) => row.id), words: plural(chosen.length, "selected dead letter") };
  return (
    <>
      <Filters filters={filters} change={change} />
      <Causes filters={{ ...withoutCause, status }} cause={cause} choose={(next) => change({ cause: next })} ask={(what, of) => setAsking({ what, chosen: of })} />
      {status === "open" && rows.length > 0 && (
        <div className="mb-3 flex flex-wrap items-center gap-2">
          <Button needs="streams:operate" size="sm" variant="primary" icon={<RotateCw aria-hidden />} onPress={() => setAsking({ what: "redrive", chosen: chosen.length > 0 ? selected : everything })}>
            {chosen.length > 0 ? `Redrive ${count(chosen.length)} selected…` : narrowed ? "Redrive all that match…" : "Redrive all…"}
          </Button>
          <Button needs="streams:operate" size="sm" variant="danger" onPress={() => setAsking({ what: "discard", chosen: chosen.length > 0 ? selected : everything })}>
            {chosen.length > 0 ? `Discard ${count(chosen.length)} selected…` : narrowed ? "Discard all that match…" : "Discard all…"}
          </Button>
          {chosen.length > 0 && (
            <Button size="sm" variant="ghost" onPress={() => setPicked(new Set())}>
              Select none
            </Button>
          )}
          <span className="ml-auto">{letters.data && <Freshness at={letters.dataUpdatedAt} />}</span>
        </div>
      )}
      <div className="card overflow-hidden">
        <QueryState query={letters} skeleton={<Skeleton rows={8} className="p-4" />}>
          {rows.length === 0 ? (
            <Nothing status={status} narrowed={narrowed} onClear={() => void navigate({ to: "/streams/dead-letters", search: {} })} />
          ) : (
            <DataGrid
              label="Dead letters"
              columns={columnsFor({ picked, pick, open: (row) => change({ letter: row.id }), redriveOne: (row) => one.mutate(row), busy: one.isPending ? one.variables?.id : undefined })}
              rows={rows}
              rowKey={(row) => row.id}
              rowHeight={56}
              cardHeight={148}
              onOpen={(row) => change({ letter: row.id })}
              hasMore={letters.hasNextPage}
              loadingMore={letters.isFetchingNextPage}
              onMore={() => void letters.fetchNextPage()}
              card={(row) => <LetterCard letter={row} picked={picked.has(row.id)} onPick={(on) => pick(row.id, on)} onOpen={() => change({ letter: row.id })} onRedrive={() => one.mutate(row)} busy={one.isPending && one.variables?.id === row.id} />}
            />
          )}
        </QueryState>
      </div>
      {opened && <LetterDrawer id={opened} onClose={() => change({ letter: undefined })} onDiscard={(letter) => setAsking({ what: "discard", chosen: { ids: [letter.id], words: "this dead letter" } })} />}
      {asking?.what === "redrive" && <RedriveDialog chosen={asking.chosen} onClose={() => setAsking(null)} onDone={() => setPicked(new Set())} />}
      {asking?.what === "discard" && <DiscardDialog chosen={asking.chosen} onClose={() => setAsking(null)} onDone={() => setPicked(new Set())} />}
    </>
  );
}

interface RowActions {
  picked: ReadonlySet<string>;
  pick: (id: string, on: boolean) => void;
  open: (row: DeadLetter) => void;
  redriveOne: (row: DeadLetter) => void;
  busy: string | undefined;
}

function columnsFor({ picked, pick, open, redriveOne, busy }: RowActions): Column<DeadLetter>[] {
  return [
    {
      id: "pick",
      header: "",
      width: "1.5rem",
      cell: (row) =>
        row.status === "open" && (
          <Checkbox checked={picked.has(row.id)} onChange={(on) => pick(row.id, on)}>
            <span className="sr-only">{`Select ${row.type} of ${row.key}`}</span>
          </Checkbox>
        ),
    },
    {
      id: "event",
      header: "Event",
      width: "minmax(12rem, 1.2fr)",
      cell: (row) => (
        <>
          <button type="button" className="block max-w-full truncate font-medium underline-offset-4 hover:underline" onClick={() => open(row)}>
            {row.type}
          </button>
          <span className="block truncate font-mono text-xs text-muted" title={row.key}>
            {row.key}
          </span>
        </>
      ),
    },
    {
      id: "error",
      header: "Error",
      width: "minmax(16rem, 2fr)",
      cell: (row) => (
        <span title={shortError(row)}>
          <span className="block truncate">{shortError(row)}</span>
          <span className="block truncate text-xs text-muted">
            {row.error_class}, {attemptsText(row)}
          </span>
        </span>
      ),
    },
    { id: "group", header: "Group", width: "minmax(10rem, 1fr)", cell: (row) => <span className="text-muted">{row.group}</span> },
    { id: "at", header: "Dead-lettered", width: "6rem", align: "end", cell: (row) => <span className="text-muted" title={dateTime(row.died_at)}>{ago(row.died_at)}</span> },
    {
      id: "do",
      header: "",
      width: "8rem",
      align: "end",
      cell: (row) =>
        row.status === "open" ? (
          <Button needs="streams:operate" size="sm" icon={<RotateCw aria-hidden />} isPending={busy === row.id} onPress={() => redriveOne(row)} aria-label={`Redrive ${row.type} of ${row.key}`}>
            Redrive
          </Button>
        ) : (
          <LetterChip status={row.status} />
        ),
    },
  ];
}

function LetterCard({ letter, picked, onPick, onOpen, onRedrive, busy }: { letter: DeadLetter; picked: boolean; onPick: (on: boolean) => void; onOpen: () => void; onRedrive: () => void; busy: boolean }) {
  return (
    <>
      <div className="flex items-center justify-between gap-3">
        <button type="button" className="min-h-7 min-w-0 truncate font-medium" onClick={onOpen}>
          {letter.type}
        </button>
        <span className="text-xs text-muted">{ago(letter.died_at)}</span>
      </div>
      <p className="truncate text-sm">{shortError(letter)}</p>
      <p className="truncate text-xs text-muted">
        {letter.group}, {attemptsText(letter)}
      </p>
      {letter.status === "open" ? (
        <div className="mt-1 flex items-center justify-between gap-3">
          <Checkbox checked={picked} onChange={onPick}>
            Select
          </Checkbox>
          <Button needs="streams:operate" size="sm" icon={<RotateCw aria-hidden />} isPending={busy} onPress={onRedrive} aria-label={`Redrive ${letter.type} of ${letter.key}`}>
            Redrive
          </Button>
        </div>
      ) : (
        <p className="mt-2">
          <LetterChip status={letter.status} />
        </p>
      )}
    </>
  );
}

function Nothing({ status, narrowed, onClear }: { status: string; narrowed: boolean; onClear: () => void }) {
  if (narrowed) return <EmptyState title="No dead letters match these filters" action={<Button onPress={onClear}>Clear filters</Button>} />;
  return (
    <EmptyState icon={<MailX aria-hidden />} title={status === "open" ? "No dead letters" : `No ${status} dead letters`}>
      {status === "open" && "An event that a group cannot apply after all attempts appears here with its error and its history. It blocks no other event."}
    </EmptyState>
  );
}

const statuses = [
  { id: "open" as const, label: "Open" },
  { id: "redriven" as const, label: "Redriven" },
  { id: "discarded" as const, label: "Discarded" },
];

function Filters({ filters, change }: { filters: LetterFilters; change: (patch: LetterFilters) => void }) {
  const groups = useQuery(groupsQuery());
  const search = useCallback((text: string) => change({ search: text || undefined }), [change]);
  const type = useCallback((text: string) => change({ type: text || undefined }), [change]);
  const key = useCallback((text: string) => change({ key: text || undefined }), [change]);
  return (
    <div className="mb-4 grid gap-2.5 sm:grid-cols-2 xl:grid-cols-5">
      <SearchField label="Search in the error" value={filters.search ?? ""} onChange={search} />
      <Select
        label="Group"
        bare
        value={filters.group ?? "any"}
        onChange={(group) => change({ group: group === "any" ? undefined : group })}
        options={[{ id: "any", label: "Any group" }, ...(groups.data?.items ?? []).map((group) => ({ id: group.group, label: group.group }))]}
      />
      <SearchField label="Exact type" value={filters.type ?? ""} onChange={type} />
      <SearchField label="Exact key" value={filters.key ?? ""} onChange={key} />
      <Select label="State" bare value={filters.status ?? "open"} onChange={(status) => change({ status: status === "open" ? undefined : status })} options={statuses} />
    </div>
  );
}
