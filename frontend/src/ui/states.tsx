import { Link } from "@tanstack/react-router";
import { AlertTriangle, Compass, Copy, RotateCw } from "lucide-react";
import { useEffect, type ReactNode } from "react";
import { asProblem, detailsOf, type Problem } from "../api/problem";
import { saidOnce } from "../api/said";
import { ago, dateTime } from "../lib/format";
import { focusInvalid } from "../lib/focus";
import { useAfter, useNow } from "../lib/hooks";
import { Button, buttonClass } from "./button";
import { cx } from "./cx";
import { PageHeader } from "./layout";

/** Blocks of the final size; drawn only after 120 ms, so that a fast answer never flashes. */
export function Skeleton({ rows = 6, height = 44, className }: { rows?: number; height?: number; className?: string }) {
  const shown = useAfter(120, true);
  return (
    <div role="status" aria-label="Loading" className={cx("grid gap-2", className)} style={{ minHeight: rows * (height + 8) - 8 }}>
      {shown && Array.from({ length: rows }, (_, index) => <div key={index} className="skeleton" style={{ height, opacity: 1 - index * 0.09 }} />)}
    </div>
  );
}

export function EmptyState({ icon, title, children, action }: { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center justify-center gap-3 px-6 py-14 text-center">
      {icon && <div className="grid size-12 place-items-center rounded-lg bg-accent-soft text-accent [&_svg]:size-6">{icon}</div>}
      <h2 className="text-lg font-semibold">{title}</h2>
      {children && <div className="max-w-md text-md text-muted">{children}</div>}
      {action && <div className="mt-1 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  );
}

/** What an operator needs to find it in the log; out of sight until it is asked for. */
function ProblemDetails({ problem }: { problem: Problem }) {
  if (!problem.requestId) return null;
  const text = detailsOf(problem);
  return (
    <details className="mt-1 max-w-full text-left text-xs text-muted">
      <summary className="min-h-6 w-fit cursor-pointer rounded-md underline-offset-4 hover:underline pointer-coarse:min-h-11">Details</summary>
      <div className="mt-1 flex flex-wrap items-center gap-2">
        <code className="font-mono wrap-anywhere">{text}</code>
        {"clipboard" in navigator && (
          <Button size="sm" variant="ghost" icon={<Copy aria-hidden />} onPress={() => void navigator.clipboard.writeText(text)}>
            Copy
          </Button>
        )}
      </div>
    </details>
  );
}

/** What went wrong, and a way on. */
export function ErrorState({ error, onRetry, compact }: { error: unknown; onRetry?: () => void; compact?: boolean }) {
  const problem = asProblem(error);
  return (
    <div role="alert" className={cx("flex flex-col items-center gap-2 px-6 text-center", compact ? "py-6" : "py-14")}>
      <AlertTriangle aria-hidden className="size-6 text-bad" />
      <p className="text-md font-semibold">{problem.title}</p>
      {problem.detail && problem.detail !== problem.title && <p className="max-w-lg text-muted">{problem.detail}</p>}
      <ProblemDetails problem={problem} />
      {onRetry && (
        <Button size="sm" className="mt-2" icon={<RotateCw aria-hidden />} onPress={onRetry}>
          Retry
        </Button>
      )}
    </div>
  );
}

/** The same, inside a form: the message and the fields that have no place of their own (`placed` names those that do). */
export function Problems({ error, className, placed = [] }: { error: unknown; className?: string; placed?: readonly string[] }) {
  const isAboutFields = error !== null && error !== undefined && asProblem(error).errors.length > 0;
  useEffect(() => {
    if (isAboutFields) focusInvalid();
  }, [error, isAboutFields]);
  if (error === null || error === undefined) return null;
  const problem = asProblem(error);
  const said = saidOnce(problem, placed);
  if (said === null) return null;
  return (
    <div role="alert" className={cx("rounded-md border border-bad bg-bad-soft px-3 py-2 text-sm", className)}>
      <p className="font-medium text-bad">{said.headline}</p>
      {said.detail && <p>{said.detail}</p>}
      {said.rest.length > 0 && (
        <ul className="mt-1 list-disc pl-4">
          {said.rest.map((message) => (
            <li key={message}>{message}</li>
          ))}
        </ul>
      )}
      <ProblemDetails problem={problem} />
    </div>
  );
}

interface Queryish {
  isPending: boolean;
  error: unknown;
  data: unknown;
  dataUpdatedAt: number;
  refetch: () => unknown;
}

/** Loading, failed, or the content; data already here stays on screen when a later read fails, with its age. */
export function QueryState({ query, skeleton, gone, children }: { query: Queryish; skeleton?: ReactNode; gone?: Gone; children: ReactNode }) {
  if (gone && query.error && asProblem(query.error).status === 404) return <GonePage {...gone} detail={asProblem(query.error).detail} />;
  if (query.data === undefined && query.error) return <ErrorState error={query.error} onRetry={() => query.refetch()} />;
  if (query.data === undefined) return <>{skeleton ?? <Skeleton />}</>;
  return (
    <>
      {query.error !== null && <StaleNotice query={query} />}
      {children}
    </>
  );
}

/** What a page was about, and the list to go back to when it does not exist any more. */
interface Gone {
  what: string;
  to: string;
  label: string;
}

function GonePage({ what, to, label, detail }: Gone & { detail: string | null }) {
  return (
    <>
      <PageHeader title={`${what} not found`} back={{ to, label }} />
      <div className="card">
        <EmptyState icon={<Compass aria-hidden />} title={`There is no such ${what.toLowerCase()}`} action={<Link to={to} className={buttonClass("primary")}>{`Go to ${label}`}</Link>}>
          {detail ?? "It may have been deleted."}
        </EmptyState>
      </div>
    </>
  );
}

function StaleNotice({ query }: { query: Queryish }) {
  const now = useNow();
  return (
    <div role="status" className="mb-3 flex flex-wrap items-center gap-x-3 gap-y-1 rounded-md border border-warn bg-warn-soft px-3 py-2 text-sm">
      <span className="font-medium text-warn">{asProblem(query.error).title}.</span>
      <span>Shown as it was {ago(query.dataUpdatedAt, now)}.</span>
      <Button size="sm" variant="ghost" onPress={() => query.refetch()}>
        Retry
      </Button>
    </div>
  );
}

export function Freshness({ at, prefix = "Updated" }: { at: number | string; prefix?: string }) {
  const then = new Date(at).getTime();
  const now = Math.max(useNow(), then); // the clock ticks each 5 s, the figures may be newer than its last tick
  return (
    <span className="text-xs text-muted tabular" title={dateTime(at)}>
      {prefix} {ago(then, now)}
    </span>
  );
}
