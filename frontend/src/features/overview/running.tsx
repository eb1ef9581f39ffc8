import { Link } from "@tanstack/react-router";
import type { Campaign } from "../../api/types";
import { count, percent } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { countParts, doneRatio, messageNames, reach } from "../../ui/counts";
import { CampaignChip } from "../../ui/chip";
import { Card } from "../../ui/layout";
import { PartsBar } from "../../ui/progress";

/** Those that run and, below them, the last that ended. */
export function LatestCampaigns({ running, ended }: { running: Campaign[]; ended: Campaign[] }) {
  return (
    <Card title="Campaigns" aside={<Link to="/campaigns" className="text-sm text-muted underline-offset-4 hover:underline">All campaigns</Link>}>
      {running.length === 0 && <p className="pb-2 text-muted">{ended.length === 0 ? "No campaign has run yet." : "No campaign is running. Most recent:"}</p>}
      <ArrowList className="grid grid-cols-1 divide-y divide-line">
        {[...running, ...ended].map((campaign) => (
          <Row key={campaign.id} campaign={campaign} />
        ))}
      </ArrowList>
    </Card>
  );
}

function Row({ campaign }: { campaign: Campaign }) {
  const { counts } = campaign;
  const figures: [string, number][] = [
    [messageNames.queued, counts.queued + counts.sending + counts.unknown],
    ...(counts.deferred > 0 ? [[messageNames.deferred, counts.deferred] as [string, number]] : []),
    ["On their way", counts.accepted + counts.sent],
    ["Delivered", counts.delivered + counts.read],
    ["Failed", counts.failed + counts.undelivered],
    ["Left out", counts.refused],
  ];
  return (
    <li className="py-3.5 first:pt-1 last:pb-0">
      <div className="mb-2 flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <Link to="/campaigns/$campaignId" params={{ campaignId: campaign.id }} className="min-w-0 truncate text-md font-medium underline-offset-4 hover:underline">
          {campaign.name}
        </Link>
        <span className="flex items-center gap-3">
          <span className="text-sm text-muted tabular">{percent(doneRatio(counts))} of {count(reach(counts))}</span>
          <CampaignChip campaign={campaign} />
        </span>
      </div>
      <PartsBar label={campaign.name} parts={countParts(counts)} thin />
      <dl className="mt-2 flex flex-wrap gap-x-6 gap-y-1 text-sm">
        {figures.map(([label, value]) => (
          <div key={label} className="flex gap-2">
            <dt className="text-muted">{label}</dt>
            <dd className="font-medium tabular">{count(value)}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}
