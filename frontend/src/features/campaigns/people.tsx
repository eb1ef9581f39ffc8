import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { messageQuery, recipientsQuery, type RecipientFilters } from "../../api/campaigns";
import type { Counts, MessageStatus, Recipient } from "../../api/types";
import { ago, dateTime, personName, sentence } from "../../lib/format";
import { Button } from "../../ui/button";
import { MessageChip } from "../../ui/chip";
import { DataGrid, type Column } from "../../ui/data-grid";
import { Drawer } from "../../ui/dialog";
import { ExportLink } from "../../ui/export-link";
import { SearchField } from "../../ui/field";
import { Card, Definition } from "../../ui/layout";
import { Select } from "../../ui/select";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";
import { stateOptions } from "./state-options";

function why(row: Recipient): string {
  if (row.error_code !== null) return `${row.error_title ?? "Error"} (${row.error_code})`;
  return row.reason_title ?? "";
}

const nameOf = (row: Recipient): string => (row.phone ? personName(row) : "Erased");

function columnsFor(open: (row: Recipient) => void): Column<Recipient>[] {
  return [
    {
      id: "phone",
      header: "Person",
      width: "minmax(13rem, 1.4fr)",
      cell: (row) => (
        <button type="button" onClick={() => open(row)} title={nameOf(row)} className="min-h-7 max-w-full truncate font-medium tabular underline-offset-4 hover:underline">
          {nameOf(row)}
        </button>
      ),
    },
    { id: "status", header: "State", width: "minmax(12rem, 0.8fr)", cell: (row) => <MessageChip status={row.status} /> },
    { id: "why", header: "Reason", width: "minmax(12rem, 2fr)", cell: (row) => <span className="text-muted" title={why(row)}>{why(row) || "–"}</span> },
    { id: "at", header: "Last change", width: "8rem", align: "end", cell: (row) => <span className="text-muted" title={dateTime(row.updated_at)}>{ago(row.updated_at)}</span> },
  ];
}

/** Every person of the audience with the state of their message; the filters live in the address. */
export function People({ campaignId, counts }: { campaignId: string; counts: Counts }) {
  const filters = useSearch({ from: "/campaigns/$campaignId" });
  const navigate = useNavigate();
  const [opened, setOpened] = useState<Recipient | null>(null);
  const people = useInfiniteQuery({ ...recipientsQuery(campaignId, filters), enabled: counts.audience > 0 });
  const rows = people.data?.pages.flatMap((page) => page.items) ?? [];
  const change = useCallback(
    (search: RecipientFilters) => void navigate({ to: "/campaigns/$campaignId", params: { campaignId }, search, replace: true, resetScroll: false }),
    [navigate, campaignId],
  );
  const search = useCallback((text: string) => change({ ...filters, search: text || undefined }), [change, filters]);
  if (counts.audience === 0) return null;
  const narrowed = Boolean(filters.reason || filters.error_code !== undefined || filters.search || filters.status);
  return (
    <div id="people" className="min-w-0 scroll-mt-20">
      <Card
        title="People"
        padded={false}
        aside={
          <ExportLink path={`/api/v1/reporting/campaigns/${campaignId}/recipients.csv`} filters={filters} total={people.data?.pages[0]?.total} needs="contacts:export" size="sm" />
        }
      >
        <div className="flex flex-wrap items-center gap-2.5 px-5 pt-1 pb-4">
          <SearchField needs="contacts:reveal" label="Search by name or phone" value={filters.search ?? ""} onChange={search} className="w-full sm:w-64" />
          <Select label="State" bare className="w-full sm:w-52" value={filters.status ?? "any"} onChange={(status) => change({ ...filters, reason: undefined, error_code: undefined, status: status === "any" ? undefined : status })} options={stateOptions(counts, filters.status)} />
          {filters.reason && <span className="text-sm text-muted">Reason: {rows[0]?.reason_title ?? sentence(filters.reason)}</span>}
          {filters.error_code !== undefined && <span className="text-sm text-muted">Error {filters.error_code}</span>}
          {narrowed && (
            <Button size="sm" variant="ghost" onPress={() => change({})}>
              Clear filters
            </Button>
          )}
        </div>
        <QueryState query={people} skeleton={<Skeleton rows={6} className="p-4" />}>
          {rows.length === 0 ? (
            <EmptyState title={narrowed ? "No people match these filters" : "No people yet"} />
          ) : (
            <DataGrid
              label="People of this campaign"
              columns={columnsFor(setOpened)}
              rows={rows}
              rowKey={(row) => row.message_id}
              onOpen={setOpened}
              total={people.data?.pages[0]?.total}
              height={`${Math.min(rows.length, 12) * 48 + 44}px`}
              hasMore={people.hasNextPage}
              loadingMore={people.isFetchingNextPage}
              onMore={() => void people.fetchNextPage()}
              card={(row) => (
                <>
                  <div className="flex items-center justify-between gap-3">
                    <button type="button" onClick={() => setOpened(row)} className="min-h-7 font-medium tabular">
                      {nameOf(row)}
                    </button>
                    <MessageChip status={row.status} />
                  </div>
                  <p className="mt-1 truncate text-sm text-muted">{why(row) || "No problem"}</p>
                  <p className="text-xs text-muted">{ago(row.updated_at)}</p>
                </>
              )}
            />
          )}
        </QueryState>
      </Card>
      {opened && <MessageDrawer recipient={opened} onClose={() => setOpened(null)} />}
    </div>
  );
}

function MessageDrawer({ recipient, onClose }: { recipient: Recipient; onClose: () => void }) {
  const message = useQuery(messageQuery(recipient.message_id));
  return (
    <Drawer title={nameOf(recipient)} open onClose={onClose}>
      <div className="grid gap-6 p-5">
        <Definition
          items={[
            ["State", <MessageChip key="s" status={recipient.status} />],
            ...(why(recipient) ? [["Reason", why(recipient)] as [string, string]] : []),
            ["Last change", dateTime(recipient.updated_at)],
            ["Contact", recipient.contact_id ? <Link key="c" to="/contacts/$contactId" params={{ contactId: recipient.contact_id }} className="text-accent underline underline-offset-4">Open the contact</Link> : "Deleted since"],
          ]}
        />
        <QueryState query={message} skeleton={<Skeleton rows={3} />}>
          {message.data && (
            <>
              <section>
                <h3 className="mb-2 font-semibold">Message</h3>
                <p className="rounded-md border border-line bg-solid px-4 py-3 whitespace-pre-wrap wrap-anywhere">{message.data.body || (message.data.status === "queued" || message.data.status === "deferred" ? "Not rendered yet: the message is still queued." : "Never sent.")}</p>
              </section>
              <section>
                <h3 className="mb-2 font-semibold">Receipts from Twilio</h3>
                {message.data.receipts.length === 0 && <p className="text-muted">None.</p>}
                <ol className="grid gap-2">
                  {message.data.receipts.map((receipt) => (
                    <li key={receipt.status + receipt.received_at} className="flex items-center justify-between gap-3">
                      <MessageChip status={receipt.status as MessageStatus} />
                      {receipt.error_code && <span className="font-mono text-xs text-bad">{receipt.error_code}</span>}
                      <time dateTime={receipt.received_at} className="text-sm text-muted tabular">{dateTime(receipt.received_at)}</time>
                    </li>
                  ))}
                </ol>
              </section>
            </>
          )}
        </QueryState>
      </div>
    </Drawer>
  );
}
