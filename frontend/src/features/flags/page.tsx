import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Flag as FlagIcon, Plus } from "lucide-react";
import { useCallback, useState } from "react";
import { flagsHealthQuery, flagsQuery, type FlagFilters } from "../../api/flags";
import type { Flag } from "../../api/types";
import { ago, dateTime, duration, plural } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { Chip, type Tone } from "../../ui/chip";
import { SearchField } from "../../ui/field";
import { PageHeader } from "../../ui/layout";
import { Select } from "../../ui/select";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { NewFlag, useMayChange } from "./dialogs";
import { shareText, shownValue } from "./model";

const states: Record<Flag["state"], [Tone, string]> = { on: ["ok", "In use"], disabled: ["neutral", "Disabled"], killed: ["bad", "Killed"] };
export function StateChip({ state }: { state: Flag["state"] }) {
  const [tone, word] = states[state];
  return <Chip tone={tone}>{word}</Chip>;
}

export default function Flags() {
  const flags = useQuery(flagsQuery());
  const filters = useSearch({ from: "/flags" });
  const navigate = useNavigate();
  const [adding, setAdding] = useState(false);
  const mayChange = useMayChange();
  const set = useCallback((change: FlagFilters) => void navigate({ to: "/flags", search: (old) => ({ ...old, ...change }), replace: true }), [navigate]);
  const search = useCallback((text: string) => set({ search: text || undefined }), [set]);
  const all = flags.data?.items ?? [];
  const wanted = filters.search?.toLowerCase() ?? "";
  const shown = all.filter((flag) => (!filters.state || flag.state === filters.state) && `${flag.name} ${flag.description}`.toLowerCase().includes(wanted));
  return (
    <>
      <PageHeader needs="flags:write"
        title="Feature flags"
        meta={
          flags.data && (
            <>
              <span>{plural(all.length, "flag")}</span>
              <Freshness at={flags.dataUpdatedAt} />
            </>
          )
        }
        actions={
          mayChange && (
            <Button variant="primary" icon={<Plus aria-hidden />} onPress={() => setAdding(true)}>
              New flag
            </Button>
          )
        }
      />
      <HealthNotice />
      <div className="mb-4 grid gap-3 sm:grid-cols-[minmax(0,20rem)_11rem]">
        <SearchField label="Search flags" value={filters.search ?? ""} onChange={search} />
        <Select
          label="State"
          bare
          value={filters.state ?? "any"}
          onChange={(state) => set({ state: state === "any" ? undefined : state })}
          options={[{ id: "any", label: "Any state" }, { id: "on", label: "In use" }, { id: "disabled", label: "Disabled" }, { id: "killed", label: "Killed" }]}
        />
      </div>
      <QueryState query={flags} skeleton={<Skeleton rows={8} height={72} />}>
        {shown.length === 0 ? (
          <div className="card">
            <EmptyState icon={<FlagIcon aria-hidden />} title="No flag matches" action={<Button onPress={() => set({ search: undefined, state: undefined })}>Show all flags</Button>}>
              Change the search or the state.
            </EmptyState>
          </div>
        ) : (
          <ArrowList className="card divide-y divide-line overflow-hidden" aria-label="Feature flags">
            {shown.map((flag) => (
              <FlagRow key={flag.name} flag={flag} />
            ))}
          </ArrowList>
        )}
      </QueryState>
      {adding && <NewFlag onClose={() => setAdding(false)} />}
    </>
  );
}

function FlagRow({ flag }: { flag: Flag }) {
  return (
    <li className="relative grid items-center gap-x-6 gap-y-2 px-5 py-3.5 hover:bg-hover md:grid-cols-[minmax(0,2fr)_6.5rem_minmax(0,1fr)_minmax(0,10rem)]">
      <div className="min-w-0">
        <Link to="/flags/$flagName" params={{ flagName: flag.name }} className="font-medium wrap-anywhere underline-offset-4 after:absolute after:inset-0 hover:underline">
          {flag.name}
        </Link>
        <p className="text-sm wrap-anywhere text-muted">{flag.description || "No description"}</p>
      </div>
      <div>
        <StateChip state={flag.state} />
      </div>
      <p className="min-w-0 text-sm">
        <span className="block truncate font-medium">{shownValue(flag.in_force)}</span>
        <span className="text-muted tabular">
          {flag.type}
          {flag.rollout && ` · ${shareText(flag.rollout.percentage)} %`}
          {flag.rules.length > 0 && ` · ${plural(flag.rules.length, "rule")}`}
        </span>
      </p>
      <p className="min-w-0 text-sm text-muted md:text-right" title={flag.changed_at ? dateTime(flag.changed_at) : undefined}>
        {flag.changed_at ? `${ago(flag.changed_at)} by ${flag.by ?? "–"}` : "as declared"}
      </p>
    </li>
  );
}

/** Says when what is kept is not what is in force. */
function HealthNotice() {
  const { data: health } = useQuery(flagsHealthQuery());
  if (!health || health.health === "healthy") return null;
  return (
    <div role="status" className="mb-4 rounded-md border border-warn bg-warn-soft px-4 py-3 text-sm">
      {health.is_stale && <p>The database does not answer: the last known flags are in effect{health.age_seconds !== null && `, confirmed ${duration(health.age_seconds)} ago`}.</p>}
      {health.issues.length > 0 && (
        <>
          <p className="font-medium text-warn">The stored values are not in effect because they conflict:</p>
          <ul className="list-disc pl-5">
            {health.issues.map((issue) => (
              <li key={issue.code + issue.flag}>{issue.message}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
