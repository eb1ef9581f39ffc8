import { useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { ScrollText, ShieldCheck } from "lucide-react";
import { useCallback } from "react";
import { accountsQuery, auditActionsQuery, auditQuery, verifyAudit, type AuditFilters } from "../../api/access";
import { useMay } from "../../lib/permissions";
import type { AuditEntry, AuditProof } from "../../api/types";
import { ago, count, dateTime, plural, sentence } from "../../lib/format";
import { OrderedArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { DateRange } from "../../ui/date-range";
import { ExportLink } from "../../ui/export-link";
import { SearchField } from "../../ui/field";
import { PageHeader } from "../../ui/layout";
import { Select } from "../../ui/select";
import { EmptyState, Problems, QueryState, Skeleton } from "../../ui/states";

const everything: AuditFilters = { actor_id: undefined, key_id: undefined, action: undefined, entity_id: undefined, since: undefined, until: undefined };

export default function Audit() {
  const filters = useSearch({ from: "/audit" });
  const navigate = useNavigate();
  const entries = useInfiniteQuery(auditQuery(filters));
  const verify = useMutation({ mutationFn: verifyAudit });
  const set = useCallback((change: AuditFilters) => void navigate({ to: "/audit", search: (old) => ({ ...old, ...change }), replace: true }), [navigate]);
  const shown = entries.data?.pages.flatMap((page) => page.items) ?? [];
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  return (
    <>
      <PageHeader
        title="Audit trail"
        meta={<span>Who changed what, newest first. Nothing here can be edited.</span>}
        actions={
          <>
            <ExportLink path="/api/v1/audit/export.csv" filters={filters} needs="audit:read" />
            <Button icon={<ShieldCheck aria-hidden />} onPress={() => verify.mutate()} isPending={verify.isPending}>
              Verify
            </Button>
          </>
        }
      />
      {verify.data && <Proof proof={verify.data} />}
      <Problems error={verify.error} className="mb-4" />
      <Filters filters={filters} set={set} />
      <QueryState query={entries} skeleton={<Skeleton rows={10} height={56} />}>
        {shown.length === 0 ? (
          <div className="card">
            <EmptyState icon={<ScrollText aria-hidden />} title={isFiltered ? "No entry matches" : "Nothing recorded yet"} action={isFiltered && <Button onPress={() => set(everything)}>Show everything</Button>}>
              Every change that a person makes is recorded here.
            </EmptyState>
          </div>
        ) : (
          <div className="card overflow-hidden">
            <Headings />
            <OrderedArrowList className="divide-y divide-line" aria-label="Audit trail">
              {shown.map((entry) => (
                <Row key={entry.id} entry={entry} set={set} />
              ))}
            </OrderedArrowList>
          </div>
        )}
        {entries.hasNextPage && (
          <Button className="mt-4" onPress={() => void entries.fetchNextPage()} isPending={entries.isFetchingNextPage}>
            Show older
          </Button>
        )}
      </QueryState>
    </>
  );
}

function Filters({ filters, set }: { filters: AuditFilters; set: (change: AuditFilters) => void }) {
  const mayManage = useMay("accounts:manage");
  const people = useInfiniteQuery({ ...accountsQuery(), enabled: mayManage === true }).data?.pages.flatMap((page) => page.items) ?? [];
  const actions = useQuery(auditActionsQuery()).data?.items ?? [];
  const groups = [...new Set(actions.map((action) => action.split(".")[0]!))];
  const search = useCallback((text: string) => set({ entity_id: text.trim() || undefined }), [set]);
  return (
    <div className="mb-4 grid gap-3 sm:grid-cols-2 xl:grid-cols-[minmax(0,20rem)_14rem_14rem_11rem]">
      <SearchField label="Subject (id or name)" value={filters.entity_id ?? ""} onChange={search} />
      <Select
        label="Person"
        bare
        value={filters.actor_id ?? "any"}
        onChange={(id) => set({ actor_id: id === "any" ? undefined : id })}
        options={[{ id: "any", label: "Anyone" }, ...people.map((account) => ({ id: account.id, label: account.display_name }))]}
      />
      <Select
        label="Action"
        bare
        value={filters.action ?? "any"}
        onChange={(action) => set({ action: action === "any" ? undefined : action })}
        options={[{ id: "any", label: "Any action" }, ...groups.map((group) => ({ id: `${group}.*`, label: `${group}: all` })), ...actions.map((action) => ({ id: action, label: action }))]}
      />
      <DateRange value={filters} onChange={set} />
    </div>
  );
}

const columns = "md:grid-cols-[9rem_minmax(8rem,14rem)_minmax(9rem,13rem)_minmax(0,1fr)]";

/** Pages of what an entry is about, by kind. */
const pages: Record<string, (id: string) => string> = {
  account: (id) => `/accounts/${id}`,
  campaign: (id) => `/campaigns/${id}`,
  contact: (id) => `/contacts/${id}`,
  flag: (id) => `/flags/${encodeURIComponent(id)}`,
  import: (id) => `/imports/${id}`,
  segment: (id) => `/segments/${id}`,
  sender: () => "/senders",
  template: (id) => `/templates/${id}`,
};
const isId = (text: string): boolean => /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(text);

function Headings() {
  return (
    <div aria-hidden className={`hidden gap-x-6 border-b border-line bg-sunken px-5 py-2.5 text-xs font-medium text-muted md:grid ${columns}`}>
      <span>When</span>
      <span>Who</span>
      <span>Action</span>
      <span>Subject</span>
    </div>
  );
}

function Row({ entry, set }: { entry: AuditEntry; set: (change: AuditFilters) => void }) {
  const facts = Object.entries(entry.detail);
  return (
    <li className={`grid items-baseline gap-x-6 gap-y-1 px-5 py-3 text-sm ${columns}`}>
      <time dateTime={entry.at} title={dateTime(entry.at)} className="text-muted tabular">
        {ago(entry.at)}
      </time>
      <Actor entry={entry} set={set} />
      <span className="font-mono wrap-anywhere">{entry.action}</span>
      <div className="min-w-0">
        <Subject entry={entry} />
        <details className="text-muted">
          <summary className="min-h-6 w-fit cursor-pointer underline-offset-4 hover:underline pointer-coarse:min-h-11">{facts.length > 0 ? plural(facts.length, "fact") : "Details"}</summary>
          <dl className="mt-1 grid gap-1">
            <div className="flex flex-wrap items-baseline gap-x-2">
              <dt className="font-medium">id</dt>
              <dd className="min-w-0">
                <Button size="sm" variant="ghost" className="-mx-3 max-w-full font-mono !whitespace-normal wrap-anywhere" aria-label={`Only ${entry.entity_id}`} onPress={() => set({ entity_id: entry.entity_id })}>
                  {entry.entity_id}
                </Button>
              </dd>
            </div>
            {facts.map(([name, value]) => (
              <div key={name} className="flex flex-wrap gap-x-2">
                <dt className="font-medium">{name}</dt>
                <dd className="min-w-0 font-mono text-xs wrap-anywhere">{typeof value === "string" ? value : JSON.stringify(value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      </div>
    </li>
  );
}

/** What it is about, by name and with a link to it; what is deleted has neither. */
function Subject({ entry: { entity, entity_id: id, subject } }: { entry: AuditEntry }) {
  const kind = sentence(entity);
  const name = subject ?? (isId(id) ? null : id);
  if (name === null || id === "all") return <span>{id === "all" ? `All ${entity}s` : kind}</span>;
  const page = pages[entity]?.(id);
  return (
    <span className="wrap-anywhere">
      {page ? (
        <Link to={page} className="inline-flex min-h-6 items-center underline-offset-4 hover:underline">
          {name}
        </Link>
      ) : (
        name
      )}{" "}
      <span className="text-muted">{kind.toLowerCase()}</span>
    </span>
  );
}

/** A person, the API key by which their program came, or the platform; at the command line somebody gives a name. */
function Actor({ entry, set }: { entry: AuditEntry; set: (change: AuditFilters) => void }) {
  const said = entry.detail.by;
  return (
    <div className="min-w-0 wrap-anywhere">
      <span className="block">{entry.actor_id ? <PersonLink id={entry.actor_id} name={entry.actor} /> : "The platform"}</span>
      {!entry.actor_id && typeof said === "string" && <span className="block text-xs text-muted">{said}, at the command line</span>}
      {entry.key_id && (
        <button type="button" className="block min-h-6 text-left text-xs wrap-anywhere text-muted underline-offset-4 hover:underline" aria-label={`Only by the key ${entry.key ?? entry.key_id}`} onClick={() => set({ key_id: entry.key_id ?? undefined })}>
          key {entry.key ?? entry.key_id}
        </button>
      )}
    </div>
  );
}

function PersonLink({ id, name }: { id: string; name: string | null }) {
  if (!useMay("accounts:manage")) return <>{name ?? id}</>;
  return (
    <Link to="/accounts/$accountId" params={{ accountId: id }} className="inline-flex min-h-6 items-center underline-offset-4 hover:underline">
      {name ?? id}
    </Link>
  );
}

function Proof({ proof }: { proof: AuditProof }) {
  return (
    <div role="status" className={`mb-4 rounded-md border px-4 py-3 text-sm ${proof.holds ? "border-ok bg-ok-soft" : "border-bad bg-bad-soft"}`}>
      {proof.holds ? (
        <p>
          <span className="font-medium text-ok">Unchanged.</span> {count(proof.checked)} entries follow from one another{proof.complete ? "" : ", the newest ones; `ese audit verify` follows all"}.
          {proof.last_hash && (
            <>
              {" "}
              Store this value elsewhere to prove later that no entries were removed: <code className="font-mono text-xs wrap-anywhere">{`${proof.last_id}:${proof.last_hash}`}</code>
            </>
          )}
        </p>
      ) : (
        <p>
          <span className="font-medium text-bad">Changed.</span> Entry {proof.broken_at} does not follow from the one before: it, or that one, was changed after it was written.
        </p>
      )}
    </div>
  );
}
