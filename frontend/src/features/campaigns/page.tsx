import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Megaphone, Plus } from "lucide-react";
import { useCallback } from "react";
import { campaignsQuery, type CampaignFilters } from "../../api/campaigns";
import type { Campaign } from "../../api/types";
import { ago, count, dateTime, percent, sentence } from "../../lib/format";
import { useLive } from "../../realtime/client";
import { Button, buttonClass } from "../../ui/button";
import { CampaignChip } from "../../ui/chip";
import { countParts, doneRatio, reach } from "../../ui/counts";
import { DataGrid, type Column } from "../../ui/data-grid";
import { SearchField } from "../../ui/field";
import { PageHeader } from "../../ui/layout";
import { LiveControls } from "../../ui/live-controls";
import { PartsBar } from "../../ui/progress";
import { Select } from "../../ui/select";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";

function CampaignLink({ campaign }: { campaign: Campaign }) {
  const look = "font-medium underline-offset-4 hover:underline";
  return campaign.status === "draft" ? (
    <Link to="/campaigns/$campaignId/edit" params={{ campaignId: campaign.id }} className={look}>
      {campaign.name}
    </Link>
  ) : (
    <Link to="/campaigns/$campaignId" params={{ campaignId: campaign.id }} className={look}>
      {campaign.name}
    </Link>
  );
}

function when(campaign: Campaign): string {
  if (campaign.status === "scheduled" && campaign.scheduled_at) return ago(campaign.scheduled_at);
  return ago(campaign.completed_at ?? campaign.launched_at ?? campaign.created_at);
}

function ProgressCell({ campaign }: { campaign: Campaign }) {
  if (campaign.counts.audience === 0) return <span className="text-muted">–</span>;
  return (
    <span className="grid gap-1.5 pr-2">
      <span className="flex justify-between text-xs text-muted tabular">
        <span>{percent(doneRatio(campaign.counts))}</span>
        <span>{count(reach(campaign.counts))}</span>
      </span>
      <PartsBar label={`${campaign.name}, people by state`} parts={countParts(campaign.counts)} thin />
    </span>
  );
}

const figure = (value: number, tone = "") => <span className={value > 0 ? tone : "text-muted"}>{count(value)}</span>;

const columns: Column<Campaign>[] = [
  { id: "name", header: "Campaign", width: "minmax(10.5rem, 1.6fr)", cell: (row) => <CampaignLink campaign={row} /> },
  { id: "status", header: "State", width: "minmax(7rem, 12rem)", cell: (row) => <CampaignChip campaign={row} /> },
  { id: "progress", header: "Done, of people", width: "minmax(9.5rem, 1.2fr)", cell: (row) => <ProgressCell campaign={row} /> },
  { id: "delivered", header: "Delivered", width: "5rem", align: "end", cell: (row) => figure(row.counts.delivered + row.counts.read) },
  { id: "failed", header: "Failed", width: "4rem", align: "end", cell: (row) => figure(row.counts.failed + row.counts.undelivered, "font-medium text-bad") },
  { id: "refused", header: "Left out", width: "4rem", align: "end", cell: (row) => figure(row.counts.refused, "text-warn") },
  { id: "template", header: "Template", width: "minmax(6.5rem, 1fr)", cell: (row) => <span className="text-muted">{row.template?.name ?? "–"}</span> },
  { id: "when", header: "When", width: "7.5rem", align: "end", cell: (row) => <span className="text-muted" title={row.scheduled_at ? dateTime(row.scheduled_at) : undefined}>{when(row)}</span> },
];

export default function Campaigns() {
  const filters = useSearch({ from: "/campaigns" });
  const navigate = useNavigate();
  const campaigns = useInfiniteQuery(campaignsQuery(filters));
  useLive("campaigns");
  const rows = campaigns.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = Boolean(filters.search || filters.status);
  const open = (row: Campaign) =>
    void (row.status === "draft"
      ? navigate({ to: "/campaigns/$campaignId/edit", params: { campaignId: row.id } })
      : navigate({ to: "/campaigns/$campaignId", params: { campaignId: row.id } }));
  const add = (
    <Link to="/campaigns/$campaignId/edit" params={{ campaignId: "new" }} className={buttonClass("primary")}>
      <Plus aria-hidden /> New campaign
    </Link>
  );
  return (
    <>
      <PageHeader needs="campaigns:write" title="Campaigns" meta={campaigns.data && <LiveControls at={campaigns.dataUpdatedAt} />} actions={add} />
      <Filters filters={filters} />
      <div className="card overflow-hidden">
        <QueryState query={campaigns} skeleton={<Skeleton rows={8} className="p-4" />}>
          {rows.length === 0 && filtered && (
            <EmptyState title="No campaign matches these filters" action={<Button onPress={() => void navigate({ to: "/campaigns", search: {} })}>Clear filters</Button>} />
          )}
          {rows.length === 0 && !filtered && (
            <EmptyState icon={<Megaphone aria-hidden />} title="No campaign yet" action={add}>
              A campaign sends one template to the people of a segment, and shows who got it, who did not, and why.
            </EmptyState>
          )}
          {rows.length > 0 && (
            <DataGrid
              label="Campaigns"
              columns={columns}
              rows={rows}
              rowKey={(row) => row.id}
              rowHeight={60}
              cardHeight={112}
              onOpen={open}
              hasMore={campaigns.hasNextPage}
              loadingMore={campaigns.isFetchingNextPage}
              onMore={() => void campaigns.fetchNextPage()}
              card={(row) => (
                <>
                  <div className="mb-2 flex items-center justify-between gap-3">
                    <span className="min-w-0 truncate">
                      <CampaignLink campaign={row} />
                    </span>
                    <CampaignChip campaign={row} />
                  </div>
                  <ProgressCell campaign={row} />
                  <p className="mt-1.5 truncate text-xs text-muted">
                    {row.template?.name} · {when(row)}
                  </p>
                </>
              )}
            />
          )}
        </QueryState>
      </div>
    </>
  );
}

const states = ["draft", "scheduled", "running", "paused", "completed", "canceled"] as const;

function Filters({ filters }: { filters: CampaignFilters }) {
  const navigate = useNavigate();
  const change = useCallback(
    (patch: CampaignFilters) => void navigate({ to: "/campaigns", search: { ...filters, ...patch }, replace: true }),
    [navigate, filters],
  );
  const search = useCallback((text: string) => change({ search: text || undefined }), [change]);
  return (
    <div className="mb-4 grid gap-2.5 sm:grid-cols-[minmax(0,2fr)_minmax(10rem,1fr)] lg:max-w-2xl">
      <SearchField label="Search by name" value={filters.search ?? ""} onChange={search} />
      <Select
        label="State"
        bare
        value={filters.status ?? "any"}
        onChange={(status) => change({ status: status === "any" ? undefined : status })}
        options={[{ id: "any" as const, label: "Any state" }, ...states.map((id) => ({ id, label: sentence(id) }))]}
      />
    </div>
  );
}
