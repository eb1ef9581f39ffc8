import { Link } from "@tanstack/react-router";
import type { RecipientFilters } from "../../api/campaigns";
import type { CampaignSummary } from "../../api/types";
import { count, percent } from "../../lib/format";
import { outcomes } from "../../ui/counts";
import { Card } from "../../ui/layout";

interface Stage {
  label: string;
  value: number;
  /** The stage that this one is a share of; without one it is the beginning. */
  of?: number;
  /** People who were never meant to get it: no failure, and not a share of anything. */
  aside?: boolean;
}

/** From everybody to those who read it. Who was left out is told before the shares begin, so that nobody excluded looks like a failure. */
export function funnelStages({ campaign, counts, funnel }: Pick<CampaignSummary, "campaign" | "counts" | "funnel">, read: boolean): Stage[] {
  const left = counts.refused + counts.canceled;
  const gets = funnel.audience - left;
  return [
    { label: campaign.segment ? "In the segment" : "All contacts", value: funnel.audience },
    ...(left > 0 ? [{ label: counts.canceled > 0 ? "Left out or canceled" : "Left out", value: left, aside: true }] : []),
    { label: "Will get it", value: gets },
    { label: "Accepted by Twilio", value: funnel.accepted, of: gets },
    { label: "Sent", value: funnel.sent, of: funnel.accepted },
    { label: "Delivered", value: funnel.delivered, of: outcomes(counts) }, // what is under way has not failed
    ...(read ? [{ label: "Read", value: funnel.read, of: funnel.delivered }] : []),
  ];
}

export function Funnel({ data, read }: { data: CampaignSummary; read: boolean }) {
  const { campaign, funnel } = data;
  const isLaunched = campaign.launched_at !== null && campaign.status !== "canceled";
  if (funnel.audience === 0) return <p className="py-6 text-muted">{isLaunched ? "The audience is being determined." : "The audience is fixed at launch."}</p>;
  return (
    <ol className="grid gap-3.5 pt-1">
      {funnelStages(data, read).map(({ label, value, of, aside }) => (
        <li key={label}>
          <div className="mb-1 flex items-baseline justify-between gap-3 text-sm">
            <span className={aside ? "text-muted" : undefined}>{label}</span>
            <span className="tabular">
              <span className={aside ? "text-muted" : "font-medium"}>{aside ? `− ${count(value)}` : count(value)}</span>
              {of !== undefined && <span className="ml-2 text-muted">{percent(of > 0 ? value / of : null)}</span>}
            </span>
          </div>
          <div aria-hidden className="h-2.5 overflow-hidden rounded-full bg-line">
            <div className={`h-full rounded-full ${aside ? "bg-line-strong/50" : "bg-accent"}`} style={{ width: `${(value / funnel.audience) * 100}%` }} />
          </div>
        </li>
      ))}
    </ol>
  );
}

/** Errors are told by Twilio's number; a failure that never got one has a reason in words. */
const errorFilter = (code: string): RecipientFilters => (/^\d+$/.test(code) ? { error_code: Number(code) } : { reason: code });

export function Errors({ campaignId, errors }: { campaignId: string; errors: CampaignSummary["errors"] }) {
  return (
    <Card title="Errors">
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
    <Card title="Left out, by reason">
      {refusals.length === 0 ? (
        <p className="text-muted">Nobody was left out.</p>
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
