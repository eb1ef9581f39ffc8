import { Link } from "@tanstack/react-router";
import type { RecipientFilters } from "../../api/campaigns";
import type { CampaignSummary } from "../../api/types";
import { count, percent } from "../../lib/format";
import { Card } from "../../ui/layout";

const stages = [
  ["audience", "Audience"],
  ["accepted", "Accepted by Twilio"],
  ["sent", "Sent"],
  ["delivered", "Delivered"],
  ["read", "Read"],
] as const;

/** Each stage against the audience, and how many of the stage before came through. */
export function Funnel({ data, read }: { data: CampaignSummary; read: boolean }) {
  const { funnel } = data;
  if (funnel.audience === 0) return <p className="py-6 text-muted">The audience is worked out at launch.</p>;
  return (
    <ol className="grid gap-3.5 pt-1">
      {stages.filter(([key]) => read || key !== "read").map(([key, label], index) => {
        const value = funnel[key];
        const before = index === 0 ? null : funnel[stages[index - 1]![0]];
        return (
          <li key={key}>
            <div className="mb-1 flex items-baseline justify-between gap-3 text-sm">
              <span>{label}</span>
              <span className="tabular">
                <span className="font-medium">{count(value)}</span>
                {before !== null && <span className="ml-2 text-muted">{percent(before > 0 ? value / before : null)}</span>}
              </span>
            </div>
            <div aria-hidden className="h-2.5 overflow-hidden rounded-full bg-line">
              <div className="h-full rounded-full bg-accent" style={{ width: `${(value / funnel.audience) * 100}%`, opacity: 1 - index * 0.13 }} />
            </div>
          </li>
        );
      })}
    </ol>
  );
}

/** Errors are told by Twilio's number; a failure that never got one has a reason in words. */
const errorFilter = (code: string): RecipientFilters => (/^\d+$/.test(code) ? { error_code: Number(code) } : { reason: code });

export function Errors({ campaignId, errors }: { campaignId: string; errors: CampaignSummary["errors"] }) {
  return (
    <Card title="Errors, and what to do">
      {errors.length === 0 ? (
        <p className="text-muted">No message has failed.</p>
      ) : (
        <ul className="divide-y divide-line">
          {errors.map((error) => (
            <li key={error.code} className="grid grid-cols-[minmax(0,1fr)_auto] gap-x-4 gap-y-0.5 py-3 first:pt-1 last:pb-0">
              <p className="font-medium">
                {error.title} <span className="ml-1 font-mono text-xs font-normal text-muted">{error.code}</span>
              </p>
              <Link to="/campaigns/$campaignId" params={{ campaignId }} search={errorFilter(error.code)} hash="people" className="font-medium tabular underline-offset-4 hover:underline" aria-label={`${count(error.count)} people with error ${error.code}`}>
                {count(error.count)}
              </Link>
              <p className="col-span-2 text-sm text-muted">{error.what_to_do}</p>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

export function Refusals({ campaignId, refusals }: { campaignId: string; refusals: CampaignSummary["refusals"] }) {
  return (
    <Card title="Refused by the consent gate">
      {refusals.length === 0 ? (
        <p className="text-muted">Nobody was refused.</p>
      ) : (
        <ul className="divide-y divide-line">
          {refusals.map((refusal) => (
            <li key={refusal.reason} className="flex items-baseline justify-between gap-4 py-2.5 first:pt-1 last:pb-0">
              <span>{refusal.title}</span>
              <Link to="/campaigns/$campaignId" params={{ campaignId }} search={{ status: "refused", reason: refusal.reason }} hash="people" className="font-medium tabular underline-offset-4 hover:underline" aria-label={`${count(refusal.count)} people: ${refusal.title}`}>
                {count(refusal.count)}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
