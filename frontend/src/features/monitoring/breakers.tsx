import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { breakersQuery, openBreaker, resetBreaker } from "../../api/monitoring";
import type { Breaker, BreakerProcess } from "../../api/types";
import type { Row } from "../../realtime/backlog";
import { ago, dateTime, duration, plural, time } from "../../lib/format";
import { useTick } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { ConfirmDialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { breakerPurposes, breakerWords, changesOf, type Change } from "./words";

const CHANGES = 3;

export function BreakersCard({ rows }: { rows: readonly Row[] }) {
  const breakers = useQuery(breakersQuery());
  return (
    <Card title="Circuit breakers" padded={false} aside={breakers.data && <Freshness at={breakers.dataUpdatedAt} />}>
      <QueryState query={breakers} skeleton={<Skeleton rows={4} height={88} className="px-5 pb-5" />}>
        {breakers.data?.is_complete === false && <p className="px-5 pb-3 text-sm text-warn">Redis does not answer, so only the breakers of the process that answers are known.</p>}
        {breakers.data?.items.length === 0 ? (
          <EmptyState title="No breakers reported">A circuit breaker guards each call to another server.</EmptyState>
        ) : (
          <ul className="divide-y divide-line border-t border-line bg-solid">
            {breakers.data?.items.map((breaker) => (
              <BreakerItem key={breaker.name} breaker={breaker} readAt={breakers.dataUpdatedAt} changes={changesOf(breaker.name, rows, CHANGES)} />
            ))}
          </ul>
        )}
      </QueryState>
    </Card>
  );
}

function BreakerItem({ breaker, readAt, changes }: { breaker: Breaker; readAt: number; changes: readonly Change[] }) {
  const [asking, setAsking] = useState<"open" | "reset" | null>(null);
  const [reason, setReason] = useState("");
  const cache = useQueryClient();
  const [tone, word] = breakerWords[breaker.state];
  const act = (what: "open" | "reset") => async () => {
    await (what === "open" ? openBreaker(breaker.name, reason.trim()) : resetBreaker(breaker.name));
    toast.done(what === "open" ? `${breaker.name} will be held open` : `${breaker.name} will be closed`);
    await Promise.all([cache.invalidateQueries({ queryKey: ["monitoring"] }), cache.invalidateQueries({ queryKey: ["dashboard"] })]);
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
      <p className="text-sm text-muted tabular">{[breakerPurposes[breaker.name], lately(breaker)].filter(Boolean).join(". ")}</p>
      {breaker.orders.map((order) => (
        <p key={order.process} className="text-sm wrap-anywhere">
          {order.action === "open" ? "Held open" : "Disabled"} {order.process && `in ${order.process} `}by {order.by ?? "somebody at the command line"} {dateTime(order.ordered_at)}
          {order.reason && `: “${order.reason}”`}
        </p>
      ))}
      <Processes breaker={breaker} readAt={readAt} />
      {changes.length > 0 && (
        <ol aria-label={`Changes of ${breaker.name}`} className="grid gap-0.5 text-xs text-muted tabular">
          {changes.map((change) => (
            <li key={change.id} title={dateTime(change.timestamp)} className="wrap-anywhere">
              {time(change.timestamp)} {change.words}, in {change.processes.join(", ")}
            </li>
          ))}
        </ol>
      )}
      <ConfirmDialog title={`Hold ${breaker.name} open?`} open={asking === "open"} onClose={() => setAsking(null)} onConfirm={act("open")} action="Hold it open" danger>
        <p>Every call through it is refused until someone resets it. Pending writes and messages wait within their limits; nothing is discarded.</p>
        <p>It takes effect in every process within two seconds, also in those that start later.</p>
        <TextField label="Why" value={reason} onChange={setReason} hint="Shown here while it is held, and recorded in the audit trail." />
      </ConfirmDialog>
      <ConfirmDialog title={`Reset ${breaker.name}?`} open={asking === "reset"} onClose={() => setAsking(null)} onConfirm={act("reset")} action="Reset it">
        <p>It closes in every process as if nothing had happened, and calls are made again at once. If the other side is still down, it opens again after five failures in a row.</p>
      </ConfirmDialog>
    </li>
  );
}

/** The processes, one line each; folded away while all of them are closed and heard. */
function Processes({ breaker, readAt }: { breaker: Breaker; readAt: number }) {
  const unusual = breaker.processes.filter((each) => each.state !== "closed" || !each.is_alive);
  const quiet = breaker.processes.filter((each) => !unusual.includes(each));
  return (
    <>
      {unusual.length > 0 && <ProcessList name={`${breaker.name} where it is not closed`} processes={unusual} readAt={readAt} />}
      {quiet.length > 0 && (
        <details className="text-sm text-muted">
          <summary className="w-fit cursor-pointer rounded-sm">Closed in {plural(quiet.length, "process", "processes")}</summary>
          <ProcessList name={`${breaker.name} where it is closed`} processes={quiet} readAt={readAt} />
        </details>
      )}
    </>
  );
}

function ProcessList({ name, processes, readAt }: { name: string; processes: readonly BreakerProcess[]; readAt: number }) {
  return (
    <ul aria-label={name} className="grid gap-1 py-1 text-sm">
      {processes.map((each) => (
        <ProcessLine key={`${each.host}:${each.pid}`} each={each} readAt={readAt} />
      ))}
    </ul>
  );
}

function ProcessLine({ each, readAt }: { each: BreakerProcess; readAt: number }) {
  const [tone, word] = breakerWords[each.state];
  const now = useTick(1000);
  return (
    <li className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 tabular">
      <span className="wrap-anywhere" title={`${each.host}, process ${each.pid}`}>
        {each.process} {each.pid}
      </span>
      {each.state !== "closed" && <Chip tone={tone}>{word}</Chip>}
      {!each.is_alive && <Chip tone="bad">Silent</Chip>}
      <span className="text-muted">
        {each.is_alive ? <Again each={each} readAt={readAt} /> : `Last heard ${ago(each.seen_at, now)}.`} {failures(each)}
      </span>
    </li>
  );
}

function lately(breaker: Breaker): string {
  const living = breaker.processes.filter((each) => each.is_alive);
  const [calls, failed] = [living.reduce((sum, each) => sum + each.calls, 0), living.reduce((sum, each) => sum + each.failed, 0)];
  return calls === 0 ? "No call in the last minute." : `${failed} of ${plural(calls, "call")} in the last minute failed.`;
}

function failures(each: BreakerProcess): string {
  if (each.state === "forced_open" || each.state === "disabled") return "";
  if (each.state !== "closed") return `${plural(each.failures, "failed probe")} so far.`;
  const counted = each.calls === 0 ? "no call in the last minute" : `${each.failed} of ${plural(each.calls, "call")} failed`;
  return `${plural(each.failures, "failure")} in a row; ${counted}.`;
}

/** When it tries again, counted down since it was read. */
function Again({ each, readAt }: { each: BreakerProcess; readAt: number }) {
  const now = useTick(1000);
  if (each.state === "forced_open") return <>Refuses every call until it is reset.</>;
  if (each.state === "disabled") return <>Allows every call and records nothing until it is reset.</>;
  if (each.state === "half_open") return <>Tries one call at a time.</>;
  if (each.state === "closed") return null;
  const left = (each.retry_after ?? 0) - Math.max(0, now - readAt) / 1000;
  return <>{left > 0 ? `Tries again in ${duration(Math.ceil(left))}.` : "Tries again at the next call."}</>;
}
