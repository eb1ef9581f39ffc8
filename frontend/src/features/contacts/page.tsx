import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch, Link } from "@tanstack/react-router";
import { Plus, Upload, Users } from "lucide-react";
import { useCallback, useState } from "react";
import { contactsQuery, type ContactFilters } from "../../api/contacts";
import { segmentsQuery } from "../../api/content";
import type { Contact } from "../../api/types";
import { ago, count, date } from "../../lib/format";
import { useLive } from "../../realtime/client";
import { Button } from "../../ui/button";
import { ConsentChip, consentNames } from "../../ui/chip";
import { DataGrid, type Column } from "../../ui/data-grid";
import { ExportLink } from "../../ui/export-link";
import { SearchField } from "../../ui/field";
import { FileButton } from "../../ui/file-drop";
import { PageHeader } from "../../ui/layout";
import { Select } from "../../ui/select";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { pendingUpload } from "../../lib/pending-upload";
import { ContactForm } from "./form";

/** Who it is comes first, then the rest by name. */
function attributeText({ attributes: { name, ...others } }: Contact): string {
  return [...(name ? [name] : []), ...Object.entries(others).map(([key, value]) => `${key}: ${value}`)].join(" · ");
}

const columns: Column<Contact>[] = [
  { id: "phone", header: "Phone", width: "minmax(9.5rem, 1.1fr)", sort: { asc: "phone" }, cell: (row) => <ContactLink contact={row} /> },
  { id: "consent", header: "Consent", width: "9.5rem", cell: (row) => <ConsentChip consent={row.consent} /> },
  { id: "attributes", header: "Attributes", width: "minmax(14rem, 3fr)", cell: (row) => <span title={attributeText(row)} className="text-muted">{attributeText(row) || "–"}</span> },
  { id: "topics", header: "Topics", width: "minmax(7rem, 1fr)", cell: (row) => <span className="text-muted">{row.topics.join(", ") || "–"}</span> },
  { id: "zone", header: "Time zone", width: "minmax(8rem, 1fr)", cell: (row) => <span className="text-muted">{row.timezone ?? "–"}</span> },
  { id: "created", header: "Added", width: "6.5rem", align: "end", sort: { asc: "created_at", desc: "-created_at" }, cell: (row) => <span title={date(row.created_at)} className="text-muted">{ago(row.created_at)}</span> },
];

function ContactLink({ contact }: { contact: Contact }) {
  return (
    <Link to="/contacts/$contactId" params={{ contactId: contact.id }} className="font-medium tabular underline-offset-4 hover:underline">
      {contact.phone}
    </Link>
  );
}

export default function Contacts() {
  const filters = useSearch({ from: "/contacts" });
  const navigate = useNavigate();
  const [adding, setAdding] = useState(false);
  const contacts = useInfiniteQuery(contactsQuery(filters));
  useLive("contacts");
  const takeFile = useCallback(
    (file: File) => {
      pendingUpload.put(file);
      void navigate({ to: "/imports/$importId", params: { importId: "new" } });
    },
    [navigate],
  );
  const { sort: _order, ...narrowing } = filters;
  const filtered = Boolean(filters.search || filters.consent || filters.topic || filters.segment_id);
  const rows = contacts.data?.pages.flatMap((page) => page.items) ?? [];
  const total = contacts.data?.pages[0]?.total;
  return (
    <>
      <PageHeader needs="contacts:write"
        title="Contacts"
        meta={
          total !== undefined && (
            <>
              <span className="tabular">{total === null ? "Over 100,000 match" : filtered ? `${count(total)} match` : `${count(total)} people`}</span>
              <Freshness at={contacts.dataUpdatedAt} />
            </>
          )
        }
        actions={
          <>
            <ExportLink path="/api/v1/contacts/export.csv" filters={narrowing} total={total} needs="contacts:export" />
            <Button icon={<Plus aria-hidden />} onPress={() => setAdding(true)}>
              Add contact
            </Button>
            <FileButton onFile={takeFile}>
              <Button variant="primary" icon={<Upload aria-hidden />}>
                Import file
              </Button>
            </FileButton>
          </>
        }
      />
      <Filters filters={filters} />
      <div className="card overflow-hidden">
        <QueryState query={contacts} skeleton={<Skeleton rows={12} height={40} className="p-4" />}>
          {rows.length === 0 ? (
            <Nobody filtered={filtered} onFile={takeFile} />
          ) : (
            <DataGrid
              label="Contacts"
              columns={columns}
              rows={rows}
              rowKey={(row) => row.id}
              total={total}
              sort={filters.sort ?? "-created_at"}
              onSort={(sort) => void navigate({ to: "/contacts", search: { ...filters, sort: sort as ContactFilters["sort"] }, replace: true })}
              onOpen={(row) => void navigate({ to: "/contacts/$contactId", params: { contactId: row.id } })}
              hasMore={contacts.hasNextPage}
              loadingMore={contacts.isFetchingNextPage}
              onMore={() => void contacts.fetchNextPage()}
              card={(row) => (
                <>
                  <div className="flex items-center justify-between gap-3">
                    <ContactLink contact={row} />
                    <ConsentChip consent={row.consent} />
                  </div>
                  <p className="mt-1 truncate text-sm text-muted">{attributeText(row) || "No attributes"}</p>
                  <p className="truncate text-xs text-muted">{ago(row.created_at)}{row.topics.length > 0 && ` · ${row.topics.join(", ")}`}</p>
                </>
              )}
            />
          )}
        </QueryState>
      </div>
      {adding && <ContactForm onClose={() => setAdding(false)} />}
    </>
  );
}

function Filters({ filters }: { filters: ContactFilters }) {
  const navigate = useNavigate();
  const segments = useQuery(segmentsQuery());
  const change = useCallback(
    (patch: ContactFilters) => void navigate({ to: "/contacts", search: { ...filters, ...patch }, replace: true }),
    [navigate, filters],
  );
  const search = useCallback((text: string) => change({ search: text || undefined }), [change]);
  return (
    <div className="mb-4 grid gap-2.5 sm:grid-cols-[minmax(0,2fr)_minmax(9rem,1fr)_minmax(9rem,1fr)]">
      <SearchField needs="contacts:reveal" label="Search by name, phone or attribute" value={filters.search ?? ""} onChange={search} />
      <Select
        label="Consent"
        bare
        value={filters.consent ?? "any"}
        onChange={(value) => change({ consent: value === "any" ? undefined : value })}
        options={[
          { id: "any", label: "Any consent" },
          { id: "opted_in", label: "Opted in" },
          { id: "opted_out", label: "Opted out" },
          { id: "stopped", label: consentNames.stopped },
          { id: "unknown", label: consentNames.unknown },
        ]}
      />
      <Select
        label="Segment"
        bare
        value={filters.segment_id ?? "all"}
        onChange={(value) => change({ segment_id: value === "all" ? undefined : value })}
        options={[{ id: "all", label: "All contacts" }, ...(segments.data?.items ?? []).map((segment) => ({ id: segment.id, label: segment.name }))]}
      />
    </div>
  );
}

function Nobody({ filtered, onFile }: { filtered: boolean; onFile: (file: File) => void }) {
  const navigate = useNavigate();
  if (filtered)
    return (
      <EmptyState icon={<Users aria-hidden />} title="Nobody matches these filters" action={<Button onPress={() => void navigate({ to: "/contacts", search: {} })}>Clear filters</Button>} />
    );
  return (
    <div className="m-4 rounded-lg border-2 border-dashed border-line-strong bg-solid">
      <EmptyState
        icon={<Upload aria-hidden />}
        title="Drop a CSV, JSON or JSON Lines file here"
        action={
          <FileButton onFile={onFile}>
            <Button variant="primary">Choose a file</Button>
          </FileButton>
        }
      >
        Nothing is imported until you map the columns and review a dry run.
      </EmptyState>
    </div>
  );
}
