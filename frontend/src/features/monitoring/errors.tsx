import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { CRITICAL_MAX, type Row } from "../../realtime/backlog";
import { ago, count, dateTime } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { Card } from "../../ui/layout";
import { Skeleton } from "../../ui/states";
import { summary } from "./words";

const SHOWN = 5;

/** Critical events, newest first, before everything else. */
export function ErrorsCard({ rows, ready, onOpen }: { rows: readonly Row[]; ready: boolean; onOpen: (row: Row) => void }) {
  const [all, setAll] = useState(false);
  const now = useNow();
  const shown = all ? rows : rows.slice(0, SHOWN);
  return (
    <Card title="Recent errors" padded={false} aside={rows.length > 0 && <span className="text-xs text-muted tabular">{rows.length >= CRITICAL_MAX ? `the newest ${CRITICAL_MAX}` : count(rows.length)}</span>}>
      {!ready ? (
        <Skeleton rows={1} className="px-5 pt-2 pb-5" />
      ) : rows.length === 0 ? (
        <p className="flex items-center gap-2 px-5 pb-5 text-muted">
          <ShieldCheck aria-hidden className="size-4 text-ok" />
          No critical event among what the live channel still holds (ten minutes at most).
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
        <div className="border-t border-line px-5 py-2">
          <Button size="sm" variant="ghost" onPress={() => setAll(!all)}>
            {all ? `Show the newest ${SHOWN}` : `Show all ${count(rows.length)}`}
          </Button>
        </div>
      )}
    </Card>
  );
}
