import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { flagHistoryQuery, rollBackFlag } from "../../api/flags";
import type { Flag, FlagChange } from "../../api/types";
import { dateTime, sentence } from "../../lib/format";
import { OrderedArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { DateRange, type Span } from "../../ui/date-range";
import { Card } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { ReasonDialog } from "./dialogs";
import { differences } from "./model";

type Definition = Record<string, unknown> | null;

/** Field by field: what was taken away, what came. */
export function Differences({ before, after }: { before: Definition; after: Definition }) {
  return (
    <dl className="grid gap-2 text-sm" aria-label="What changes">
      {differences(before, after).map((entry) => (
        <div key={entry.field} className="grid gap-x-3 sm:grid-cols-[7rem_minmax(0,1fr)]">
          <dt className="text-muted">{sentence(entry.field)}</dt>
          <dd className="min-w-0 font-mono text-xs leading-relaxed">
            {entry.before !== null && <del className="block whitespace-pre-wrap wrap-anywhere text-bad no-underline before:content-['−_']">{entry.before}</del>}
            {entry.after !== null && <ins className="block whitespace-pre-wrap wrap-anywhere text-ok no-underline before:content-['+_']">{entry.after}</ins>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

export function History({ flag, mayChange }: { flag: Flag; mayChange: boolean }) {
  const [span, setSpan] = useState<Span>({});
  const history = useInfiniteQuery(flagHistoryQuery(flag.name, span));
  const isNarrowed = Boolean(span.since || span.until);
  const [back, setBack] = useState<FlagChange | null>(null);
  const rows = history.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card title="History" padded={false}>
      <div className="grid gap-3 px-5 pb-4">
        <DateRange value={span} onChange={setSpan} />
      </div>
      <QueryState query={history} skeleton={<Skeleton rows={3} height={64} className="p-5" />}>
        {rows.length === 0 ? (
          <p className="px-5 pt-1 pb-5 text-sm text-muted">{isNarrowed ? "Nobody changed it in this time." : "Nobody has changed it yet."}</p>
        ) : (
          <OrderedArrowList className="divide-y divide-line" aria-label="Changes, newest first">
            {rows.map((row) => (
              <li key={row.id} className="grid gap-1 px-5 py-3">
                <p className="flex flex-wrap items-baseline justify-between gap-x-3 text-sm">
                  <span className="font-medium">
                    Version {row.version_to} <span className="font-normal text-muted">{row.action}</span>
                  </span>
                  <span className="text-xs text-muted tabular">{dateTime(row.at)}</span>
                </p>
                <p className="text-sm wrap-anywhere">
                  “{row.reason}” <span className="text-muted">{row.by}</span>
                </p>
                <details className="text-sm">
                  <summary className="min-h-6 w-fit cursor-pointer rounded-md text-muted underline-offset-4 hover:underline pointer-coarse:min-h-11">What changed</summary>
                  <div className="py-2">
                    <Differences before={row.before} after={row.after} />
                  </div>
                </details>
                {mayChange && row.after && row.version_to !== flag.version && (
                  <div>
                    <Button size="sm" onPress={() => setBack(row)} aria-label={`Restore version ${row.version_to}`}>
                      Restore
                    </Button>
                  </div>
                )}
              </li>
            ))}
          </OrderedArrowList>
        )}
        {history.hasNextPage && (
          <div className="px-5 py-3">
            <Button size="sm" isPending={history.isFetchingNextPage} onPress={() => void history.fetchNextPage()}>
              Older changes
            </Button>
          </div>
        )}
      </QueryState>
      {back && <Rollback flag={flag} to={back} onClose={() => setBack(null)} />}
    </Card>
  );
}

function Rollback({ flag, to, onClose }: { flag: Flag; to: FlagChange; onClose: () => void }) {
  const now = Object.fromEntries(Object.entries(flag).filter(([name]) => to.after && name in to.after));
  return (
    <ReasonDialog
      title={`Restore version ${to.version_to}?`}
      action="Restore"
      onClose={onClose}
      run={async (reason) => {
        await rollBackFlag(flag, to.version_to, reason);
        toast.done(`${flag.name} is as it was in version ${to.version_to}`);
      }}
    >
      <p>It becomes version {flag.version + 1}, with the definition of then:</p>
      <Differences before={now} after={to.after} />
    </ReasonDialog>
  );
}
