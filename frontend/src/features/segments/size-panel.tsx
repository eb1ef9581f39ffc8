import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { TriangleAlert } from "lucide-react";
import { useMemo } from "react";
import { evaluationQuery } from "../../api/content";
import type { Contact, Evaluation } from "../../api/types";
import { count, duration } from "../../lib/format";
import { useDebounced } from "../../lib/hooks";
import { ConsentChip } from "../../ui/chip";
import { cx } from "../../ui/cx";
import { Card } from "../../ui/layout";
import { ErrorState } from "../../ui/states";
import { complete, toRule, type Group } from "./rules";

/** What the rules come to, asked once they are still and each has its value. */
export function useEvaluation(root: Group) {
  const settled = useDebounced(root, 350);
  const rule = useMemo(() => toRule(settled), [settled]);
  const evaluation = useQuery({ ...evaluationQuery(rule, complete(settled)), placeholderData: keepPreviousData });
  return { evaluation, estimating: complete(root) && (evaluation.isFetching || settled !== root) };
}

/** How many people the rules name right now, and twenty of them. A size that is not known yet is never shown as 0. */
export function SizePanel({ evaluation, ready, estimating }: ReturnType<typeof useEvaluation> & { ready: boolean }) {
  const data = ready ? evaluation.data : undefined;
  return (
    <Card title="Right now" className="self-start xl:sticky xl:top-20">
      <div aria-live="polite">
        {evaluation.error && ready && !estimating ? (
          <ErrorState compact error={evaluation.error} onRetry={() => void evaluation.refetch()} />
        ) : (
          <Size ready={ready} estimating={estimating} data={data} />
        )}
      </div>
      {data && <Sample people={data.sample} dim={estimating} />}
    </Card>
  );
}

function Size({ ready, estimating, data }: { ready: boolean; estimating: boolean; data?: Evaluation }) {
  if (!ready) return <p className="text-muted">Complete every rule to see how many people match.</p>;
  return (
    <>
      <p className="text-2xl font-semibold tabular">{estimating ? <span className="text-muted">estimating…</span> : data ? count(data.size) : "–"}</p>
      <p className="mt-1 text-sm text-muted tabular">{!estimating && data ? `people, counted in ${duration(data.took_ms / 1000)}` : " "}</p>
      {!estimating &&
        data?.warnings.map((warning) => (
          <p key={warning} className="mt-2 flex gap-2 rounded-md border border-warn/50 bg-warn-soft px-3 py-2 text-sm">
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" /> {warning}
          </p>
        ))}
    </>
  );
}

function shortly({ attributes: { name, ...others } }: Contact): string {
  return [name, ...Object.values(others)].filter(Boolean).join(" · ");
}

function Sample({ people, dim }: { people: Contact[]; dim: boolean }) {
  if (people.length === 0) return null;
  return (
    <div className={cx("mt-4 transition-opacity", dim && "opacity-60")}>
      <h3 className="mb-1 text-sm font-medium">Sample</h3>
      <ul className="max-h-96 divide-y divide-line overflow-auto rounded-md border border-line bg-solid" tabIndex={0} aria-label="Sample of people">
        {people.map((contact) => (
          <li key={contact.id} className="flex items-center justify-between gap-3 px-3 py-2">
            <span className="min-w-0">
              <Link to="/contacts/$contactId" params={{ contactId: contact.id }} className="inline-flex min-h-6 items-center tabular underline-offset-4 hover:underline">
                {contact.phone}
              </Link>
              <span className="block truncate text-xs text-muted">{shortly(contact)}</span>
            </span>
            <ConsentChip consent={contact.consent} />
          </li>
        ))}
      </ul>
    </div>
  );
}
