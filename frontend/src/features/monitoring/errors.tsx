import { useInfiniteQuery } from "@tanstack/react-query";
import { ShieldCheck } from "lucide-react";
import { useMemo, useState } from "react";
import { ERROR_PAGES_MAX, errorsQuery } from "../../api/monitoring";
import { newestFirst, type Row } from "../../realtime/backlog";
import { ago, count, dateTime } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { Card } from "../../ui/layout";
import { Skeleton } from "../../ui/states";
import { summary } from "./words";

const SHOWN = 5;

/** Critical events, newest first, before everything else: those that come live, and those that were written before. */
export function ErrorsCard({ rows: live, ready, onOpen }: { rows: readonly Row[]; ready: boolean; onOpen: (row: Row) => void }) {
  const [all, setAll] = useState(false);
  const now = useNow();
  const { rows, stored } = useErrors(live);
  const shown = all ? rows : rows.slice(0, SHOWN);
  const isWhole = !stored.hasNextPage && !stored.isError;
  return (
    <Card title="Recent errors" padded={false} aside={rows.length > 0 && <span className="text-xs text-muted tabular">{isWhole ? count(rows.length) : `the newest ${count(rows.length)}`}</span>}>
      {stored.isError && <p className="px-5 pb-3 text-sm text-warn">Stored errors cannot be loaded now. Only live errors are shown.</p>}
      {rows.length === 0 && (!ready || stored.isPending) ? (
        <Skeleton rows={1} className="px-5 pt-2 pb-5" />
      ) : rows.length === 0 ? (
        <p className="flex items-center gap-2 px-5 pb-5 text-muted">
          <ShieldCheck aria-hidden className="size-4 text-ok" />
          No critical events stored.
        </p>
      ) : (
        <ul aria-label="Recent errors" className="divide-y divide-line border-t border-line bg-solid">
          {shown.map((row) => (
            <li key={row.event_id} className="relative grid items-baseline gap-x-4 gap-y-0.5 px-5 py-2.5 hover:bg-hover sm:grid-cols-[minmax(0,16rem)_1fr_auto]">
              <button type="button" className="min-h-6 min-w-0 text-left font-medium wrap-anywhere text-bad after:absolute after:inset-0" onClick={() => onOpen(row)}>
                {row.event_type}
              </button>
              <span className="min-w-0 truncate text-sm">{summary(row.data)}</span>
              <span className="text-xs whitespace-nowrap text-muted tabular" title={dateTime(row.timestamp)}>
                {ago(row.timestamp, Math.max(now, Date.parse(row.timestamp)))}
              </span>
            </li>
          ))}
        </ul>
      )}
      {rows.length > SHOWN && (
        <div className="flex flex-wrap items-center gap-2 border-t border-line px-5 py-2">
          <Button size="sm" variant="ghost" onPress={() => setAll(!all)}>
            {all ? `Show the newest ${SHOWN}` : `Show all ${count(rows.length)}`}
          </Button>
          {all && stored.hasNextPage && (
            <Button size="sm" variant="ghost" isPending={stored.isFetchingNextPage} onPress={() => void stored.fetchNextPage()}>
              Show older errors
            </Button>
          )}
          {all && stored.data?.pages.length === ERROR_PAGES_MAX && <span className="text-xs text-muted">Older ones are in the database only.</span>}
        </div>
      )}
    </Card>
  );
}

/** Each once, whichever way it came. */
function useErrors(live: readonly Row[]) {
  const stored = useInfiniteQuery(errorsQuery());
  const rows = useMemo(() => {
    const known = new Set(live.map((row) => row.event_id));
    const before = (stored.data?.pages ?? []).flatMap((page) => page.items).filter((event) => !known.has(event.event_id));
    return [...live, ...before.map((event): Row => ({ ...event, offset: null }))].toSorted(newestFirst);
  }, [live, stored.data]);
  return { rows, stored };
}
