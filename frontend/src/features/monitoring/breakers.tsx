import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { breakersQuery, openBreaker, resetBreaker } from "../../api/monitoring";
import type { Breaker } from "../../api/types";
import type { Row } from "../../realtime/backlog";
import { dateTime, duration, plural, sentence, time } from "../../lib/format";
import { useTick } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { ConfirmDialog } from "../../ui/dialog";
import { Card } from "../../ui/layout";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { breakerWords } from "./words";

const TRANSITIONS = 3;

export function BreakersCard({ rows }: { rows: readonly Row[] }) {
  const breakers = useQuery(breakersQuery());
  const transitions = rows.filter((row) => row.event_type === "circuit_breaker_transition");
  return (
    <Card title="Circuit breakers" padded={false} aside={breakers.data && <Freshness at={breakers.dataUpdatedAt} />}>
      <QueryState query={breakers} skeleton={<Skeleton rows={2} height={88} className="px-5 pb-5" />}>
        {breakers.data?.items.length === 0 ? (
          <EmptyState title="This process guards no call">A breaker stands before each call to another server.</EmptyState>
        ) : (
          <ul className="divide-y divide-line border-t border-line bg-solid">
            {breakers.data?.items.map((breaker) => (
              <BreakerItem key={breaker.name} breaker={breaker} readAt={breakers.dataUpdatedAt} transitions={transitions.filter((row) => row.data.breaker === breaker.name).slice(0, TRANSITIONS)} />
            ))}
          </ul>
        )}
      </QueryState>
    </Card>
  );
}

function BreakerItem({ breaker, readAt, transitions }: { breaker: Breaker; readAt: number; transitions: readonly Row[] }) {
  const [asking, setAsking] = useState<"open" | "reset" | null>(null);
  const cache = useQueryClient();
  const [tone, word] = breakerWords[breaker.state];
  const act = (what: "open" | "reset") => async () => {
    await (what === "open" ? openBreaker : resetBreaker)(breaker.name);
    toast.done(what === "open" ? `${breaker.name} is held open` : `${breaker.name} is closed`);
    await cache.invalidateQueries({ queryKey: ["monitoring"] });
  };
  return (
    <li aria-label={breaker.name} className="grid gap-2 px-5 py-3.5">
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <h3 className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-1 font-medium wrap-anywhere">
          {breaker.name}
          <Chip tone={tone}>{word}</Chip>
        </h3>
        <span className="flex gap-2">
          <Button size="sm" variant="danger" needs="monitoring:operate" isDisabled={breaker.state === "forced_open"} onPress={() => setAsking("open")} aria-label={`Hold ${breaker.name} open`}>
            Hold open
          </Button>
          <Button size="sm" needs="monitoring:operate" onPress={() => setAsking("reset")} aria-label={`Reset ${breaker.name}`}>
            Reset
          </Button>
        </span>
      </div>
      <p className="text-sm text-muted tabular">
        <Again breaker={breaker} readAt={readAt} /> {failures(breaker)}
      </p>
      {transitions.length > 0 && (
        <ol aria-label={`Changes of ${breaker.name}`} className="grid gap-0.5 text-xs text-muted tabular">
          {transitions.map((row) => (
            <li key={row.event_id} title={dateTime(row.timestamp)}>
              {time(row.timestamp)} {sentence(String(row.data.before))} to {sentence(String(row.data.after)).toLowerCase()}: {sentence(String(row.data.reason)).toLowerCase()}
            </li>
          ))}
        </ol>
      )}
      <ConfirmDialog title={`Hold ${breaker.name} open?`} open={asking === "open"} onClose={() => setAsking(null)} onConfirm={act("open")} action="Hold it open" danger>
        <p>Every call behind it is refused until somebody resets it. What it would have written or sent waits, within its bounds; nothing is discarded for it.</p>
        <p>It concerns this API process only; the others have breakers of their own.</p>
      </ConfirmDialog>
      <ConfirmDialog title={`Reset ${breaker.name}?`} open={asking === "reset"} onClose={() => setAsking(null)} onConfirm={act("reset")} action="Reset it">
        <p>It closes as if nothing had happened, and calls are made again at once. If the other side is still down, it opens again after five failures in a row.</p>
      </ConfirmDialog>
    </li>
  );
}

function failures(breaker: Breaker): string {
  if (breaker.state === "forced_open" || breaker.state === "disabled") return "";
  if (breaker.state !== "closed") return `${plural(breaker.failures, "failed probe")} so far.`;
  const lately = breaker.calls === 0 ? "no call in the last minute" : `${breaker.failed} of ${plural(breaker.calls, "call")} in the last minute failed`;
  return `${plural(breaker.failures, "failure")} in a row; ${lately}.`;
}

/** When it tries again, counted down since it was read. */
function Again({ breaker, readAt }: { breaker: Breaker; readAt: number }) {
  const now = useTick(1000);
  if (breaker.state === "forced_open") return <>Refuses every call until it is reset.</>;
  if (breaker.state === "disabled") return <>Lets every call pass and learns nothing until it is reset.</>;
  if (breaker.state === "half_open") return <>Tries one call at a time.</>;
  if (breaker.state === "closed") return <>Calls pass.</>;
  const left = (breaker.retry_after ?? 0) - Math.max(0, now - readAt) / 1000;
  return <>{left > 0 ? `Tries again in ${duration(Math.ceil(left))}.` : "Tries again at the next call."}</>;
}
