import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Inbox, Pause, Play } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { inboundQuery, listingsQuery, type InboundFilters } from "../../api/inbound";
import { sandboxQuery } from "../../api/monitoring";
import type { Inbound as InboundMessage, InboundKind } from "../../api/types";
import { ago, count, dateTime, HIDDEN, time } from "../../lib/format";
import { useMay } from "../../lib/permissions";
import { useLive } from "../../realtime/client";
import { Button, buttonClass } from "../../ui/button";
import { InboundChip, channelName } from "../../ui/chip";
import { DataGrid, type Column } from "../../ui/data-grid";
import { SearchField } from "../../ui/field";
import { PageHeader } from "../../ui/layout";
import { Select } from "../../ui/select";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { Review } from "./review";
import { SandboxForm } from "./sandbox-form";

function PersonCell({ message }: { message: InboundMessage }) {
  const phone = message.phone || message.phone_masked;
  if (!message.contact_id) return <span className="tabular">{phone}</span>;
  return (
    <Link to="/contacts/$contactId" params={{ contactId: message.contact_id }} title={phone} className="tabular underline-offset-4 hover:underline">
      {message.name && message.name !== HIDDEN ? <><bdi className="font-medium">{message.name}</bdi> <span className="text-muted">{phone}</span></> : phone}
    </Link>
  );
}

function Effect({ message }: { message: InboundMessage }) {
  if (message.review === "open") return <span className="font-medium text-warn" title={message.effect ?? undefined}>Stopped until reviewed</span>;
  if (message.applied) return <span className="text-muted" title={message.effect ?? undefined}>{message.effect ?? "Nothing to do"}</span>;
  return <span className="font-medium text-warn">Being applied</span>;
}

/** Whether a STOP may be unknown: since when Twilio has listed nothing, or up to when everything is applied. */
function KnownUntil() {
  const listings = useQuery(listingsQuery()).data?.items ?? [];
  const failing = listings.filter((listing) => listing.failing_since !== null).map((listing) => listing.failing_since as string);
  if (failing.length > 0)
    return (
      <span role="status" className="font-medium text-warn">
        Twilio has not listed messages since {dateTime(failing.reduce((first, at) => (at < first ? at : first)))}: a STOP may be missing.
      </span>
    );
  const complete = listings.flatMap((listing) => (listing.succeeded_at === null ? [] : [listing.complete_until]));
  if (complete.length === 0 || complete.length < listings.length) return null;
  const until = complete.reduce((first, at) => (at < first ? at : first));
  return <span title="Twilio’s own list is compared every 30 seconds, so a message that no webhook brought is not lost.">Complete up to <span className="tabular">{time(until)}</span>.</span>;
}

const shownText = (message: InboundMessage): string => message.text || (message.kind === "media" ? "(media without text)" : "(empty)");

const columns: Column<InboundMessage>[] = [
  { id: "at", header: "Received", width: "5.5rem", cell: (row) => <span className="tabular text-muted" title={dateTime(row.received_at)}>{time(row.received_at)}</span> },
  { id: "kind", header: "Kind", width: "5.5rem", cell: (row) => <InboundChip kind={row.kind} /> },
  { id: "from", header: "From", width: "minmax(12rem, 1.2fr)", cell: (row) => <><PersonCell message={row} /> <span className="text-sm text-muted">{channelName(row.channel)}</span></> },
  { id: "text", header: "Text", width: "minmax(8.5rem, 2.4fr)", cell: (row) => <span title={row.text}>{shownText(row)}</span> },
  { id: "review", header: "Opt-out?", width: "13.5rem", cell: (row) => <Review message={row} /> },
  { id: "effect", header: "Effect", width: "minmax(9rem, 1.4fr)", cell: (row) => <Effect message={row} /> },
];

const kinds: { id: InboundKind | "any" | "review"; label: string }[] = [
  { id: "any", label: "Any kind" },
  { id: "review", label: "To review" },
  { id: "stop", label: "Opt-outs" },
  { id: "start", label: "START" },
  { id: "help", label: "HELP" },
  { id: "text", label: "Replies" },
  { id: "media", label: "Media" },
  { id: "empty", label: "Empty" },
];

export default function Inbound() {
  const filters = useSearch({ from: "/inbound" });
  const navigate = useNavigate();
  const inbound = useInfiniteQuery(inboundQuery(filters));
  const sandbox = useQuery(sandboxQuery());
  const mayReveal = useMay("contacts:reveal");
  useLive("inbound");
  const all = useMemo(() => inbound.data?.pages.flatMap((page) => page.items) ?? [], [inbound.data]);
  const tail = useTail(all);
  const change = useCallback((patch: InboundFilters) => void navigate({ to: "/inbound", search: { ...filters, ...patch }, replace: true }), [navigate, filters]);
  const search = useCallback((text: string) => change({ search: text || undefined }), [change]);
  const kind = (chosen: InboundKind | "any" | "review") =>
    change({ kind: chosen === "any" || chosen === "review" ? undefined : chosen, review: chosen === "review" ? "open" : undefined });
  const filtered = Boolean(filters.kind || filters.review || filters.search);
  return (
    <>
      <PageHeader
        title="Inbound"
        meta={
          inbound.data && (
            <>
              <Freshness at={inbound.dataUpdatedAt} />
              {mayReveal === false && <span>Phone numbers, names and texts are masked.</span>}
              <KnownUntil />
            </>
          )
        }
        actions={
          <>
            <Link to="/settings/opt-out-keywords" className={buttonClass()}>
              Keywords
            </Link>
            <Button aria-live="polite" icon={tail.paused ? <Play aria-hidden /> : <Pause aria-hidden />} onPress={tail.toggle} className="tabular">
            {tail.paused ? (tail.waiting > 0 ? `Resume · ${count(tail.waiting)} waiting` : "Resume") : "Pause"}
            </Button>
          </>
        }
      />
      {sandbox.data?.active && <SandboxForm />}
      <div className="mb-4 grid gap-2.5 sm:grid-cols-[minmax(0,2fr)_minmax(10rem,1fr)] lg:max-w-2xl">
        <SearchField needs="contacts:reveal" label="Search by name, phone or text" value={filters.search ?? ""} onChange={search} />
        <Select label="Kind" bare value={filters.review ? "review" : (filters.kind ?? "any")} onChange={kind} options={kinds} />
      </div>
      <div className="card overflow-hidden">
        <QueryState query={inbound} skeleton={<Skeleton rows={10} className="p-4" />}>
          {tail.rows.length === 0 ? (
            <EmptyState icon={<Inbox aria-hidden />} title={filters.review ? "No reply waits for a review" : filtered ? "No message matches these filters" : "No message has come in yet"} action={filtered && <Button onPress={() => void navigate({ to: "/inbound", search: {} })}>Clear filters</Button>}>
              {filters.review && "A reply that may be an opt-out appears here. Its writer gets no messages until you decide."}
              {!filtered && "Point the sender’s webhook at /webhooks/twilio/inbound; what people write appears here as it arrives."}
            </EmptyState>
          ) : (
            <DataGrid
              label="Inbound messages"
              columns={columns}
              rows={tail.rows}
              rowKey={(row) => row.id}
              hasMore={inbound.hasNextPage}
              loadingMore={inbound.isFetchingNextPage}
              onMore={() => void inbound.fetchNextPage()}
              cardHeight={150}
              card={(row) => (
                <>
                  <div className="flex items-center justify-between gap-3">
                    <PersonCell message={row} />
                    <span className="flex items-center gap-2">
                      <span className="text-xs text-muted tabular">{ago(row.received_at)}</span>
                      <InboundChip kind={row.kind} />
                    </span>
                  </div>
                  <p className="mt-1 truncate">{shownText(row)}</p>
                  <p className="truncate text-sm">
                    <Effect message={row} />
                  </p>
                  <div className="mt-1.5">
                    <Review message={row} />
                  </div>
                </>
              )}
            />
          )}
        </QueryState>
      </div>
    </>
  );
}

/** While paused the rows on screen stay as they were; what arrives is counted. */
function useTail(all: InboundMessage[]) {
  const [frozenAt, setFrozenAt] = useState<string | null>(null);
  const from = frozenAt === null ? 0 : Math.max(0, all.findIndex((row) => row.id === frozenAt));
  return {
    paused: frozenAt !== null,
    waiting: from,
    rows: from === 0 ? all : all.slice(from),
    toggle: () => setFrozenAt(frozenAt === null ? (all[0]?.id ?? "") : null),
  };
}
