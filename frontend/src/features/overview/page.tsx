import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert, Info, Plus, TriangleAlert, Upload } from "lucide-react";
import { lazy, Suspense } from "react";
import { dashboardQuery } from "../../api/monitoring";
import type { Dashboard } from "../../api/types";
import { ago, compact, count, percent } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { ArrowList } from "../../ui/arrow-list";
import { buttonClass } from "../../ui/button";
import { Card, PageHeader, Stat } from "../../ui/layout";
import { LiveControls } from "../../ui/live-controls";
import { QueryState, Skeleton } from "../../ui/states";
import { FirstRun } from "./first-run";
import { LatestCampaigns } from "./running";

const TimeChart = lazy(() => import("../../ui/chart").then((module) => ({ default: module.TimeChart })));

export default function Overview() {
  const dashboard = useQuery(dashboardQuery());
  return (
    <>
      <PageHeader
        title="Overview"
        meta={dashboard.data && <LiveControls at={dashboard.dataUpdatedAt} />}
        actions={
          <>
            <Link to="/imports/$importId" params={{ importId: "new" }} className={buttonClass()}>
              <Upload aria-hidden /> Import contacts
            </Link>
            <Link to="/campaigns/$campaignId/edit" params={{ campaignId: "new" }} className={buttonClass("primary")}>
              <Plus aria-hidden /> New campaign
            </Link>
          </>
        }
      />
      <QueryState query={dashboard} skeleton={<Skeleton rows={5} height={96} />}>
        {dashboard.data && <Board data={dashboard.data} />}
      </QueryState>
    </>
  );
}

function Board({ data }: { data: Dashboard }) {
  return (
    <div className="grid gap-4">
      <FirstRun contacts={data.contacts.total} setup={data.setup} />
      <Figures data={data} />
      <div className={data.attention.length > 0 ? beside : "grid"}>
        <Card title="Messages per minute, last hour">
          <Suspense fallback={<Skeleton rows={1} height={266} />}>
            <Throughput points={data.throughput} />
          </Suspense>
        </Card>
        {data.attention.length > 0 && (
          <Card title="Needs attention">
            <Attention entries={data.attention} />
          </Card>
        )}
      </div>
      <div className={data.recent_errors.length > 0 ? beside : "grid"}>
        <LatestCampaigns running={data.running} ended={data.ended} />
        {data.recent_errors.length > 0 && (
          <Card title="Recent errors">
            <RecentErrors errors={data.recent_errors} />
          </Card>
        )}
      </div>
      <p className="text-sm text-muted">{quietLine(data)}</p>
    </div>
  );
}

const beside = "grid gap-4 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]";

/** What there is nothing of takes one line, not a card. */
function quietLine({ attention, recent_errors: errors }: Dashboard): string {
  return [attention.length === 0 && "Nothing needs attention.", errors.length === 0 && "No message failed in the last 24 hours."].filter(Boolean).join(" ");
}

function Figures({ data }: { data: Dashboard }) {
  const { contacts, campaigns, messages_24h: messages } = data;
  const lost = messages.failed + messages.undelivered;
  return (
    <dl className="grid grid-cols-2 gap-3 sm:gap-4 md:grid-cols-3 xl:grid-cols-6">
      <Stat label="Contacts" value={compact(contacts.total)} hint={`${count(contacts.opted_in)} opted in`} to="/contacts" />
      <Stat label="Opted out or wrote STOP" value={compact(contacts.opted_out + contacts.stopped)} hint={`${count(contacts.opted_out)} opted out, ${count(contacts.stopped)} wrote STOP`} />
      <Stat label="Campaigns running" value={count(campaigns.running)} hint={`${count(campaigns.scheduled)} scheduled, ${count(campaigns.paused)} paused`} to="/campaigns" />
      <Stat label="Accepted by Twilio, 24 h" value={compact(messages.accepted)} hint={`in total; ${count(messages.refused)} left out by the consent gate`} />
      <Stat label="Delivery rate, 24 h" value={percent(data.delivery_rate_24h)} hint={`${count(lost)} failed or undelivered`} tone={data.delivery_rate_24h !== null && data.delivery_rate_24h < 0.9 ? "bad" : undefined} />
      <Stat label="Inbound, 24 h" value={compact(data.inbound_24h)} to="/inbound" />
    </dl>
  );
}

function Throughput({ points }: { points: Dashboard["throughput"] }) {
  return (
    <TimeChart
      label="Messages per minute over the last hour"
      times={points.map((point) => point.minute)}
      seconds={60}
      series={[
        { id: "accepted", label: "Accepted by Twilio", color: "--chart-1", fill: true, values: points.map((point) => point.accepted) },
        { id: "delivered", label: "Delivered", color: "--ok", dash: [6, 4], values: points.map((point) => point.delivered) },
        { id: "failed", label: "Failed", color: "--bad", dash: [2, 3], values: points.map((point) => point.failed) },
      ]}
    />
  );
}

const levels = {
  error: { icon: CircleAlert, look: "text-bad" },
  warning: { icon: TriangleAlert, look: "text-warn" },
  info: { icon: Info, look: "text-info" },
};

function Attention({ entries }: { entries: Dashboard["attention"] }) {
  return (
    <ArrowList className="grid grid-cols-1 divide-y divide-line">
      {entries.map((entry) => {
        const { icon: Icon, look } = levels[entry.level as keyof typeof levels] ?? levels.info;
        return (
          <li key={entry.message} className="flex gap-3 py-3 first:pt-1">
            <Icon aria-hidden className={`mt-0.5 size-[18px] shrink-0 ${look}`} />
            <div className="min-w-0 wrap-anywhere">
              {entry.message}
              {entry.link && (
                <Link to={entry.link} className="ml-2 inline-flex min-h-6 items-center font-medium text-accent underline-offset-4 hover:underline">
                  Open
                </Link>
              )}
            </div>
          </li>
        );
      })}
    </ArrowList>
  );
}

function RecentErrors({ errors }: { errors: Dashboard["recent_errors"] }) {
  const now = useNow();
  return (
    <ArrowList className="grid grid-cols-1 divide-y divide-line">
      {errors.map((error) => (
        <li key={`${error.code}${error.campaign_id}${error.at}`} className="flex items-baseline gap-3 py-2.5 first:pt-1">
          <span className="min-w-0 grow">
            <span className="block font-medium wrap-anywhere">{error.title}</span>
            <Link to="/campaigns/$campaignId" params={{ campaignId: error.campaign_id }} className="block truncate text-sm text-muted underline-offset-4 hover:underline">
              {error.campaign_name} · <span className="font-mono text-xs">{error.code}</span>
            </Link>
          </span>
          <span className="shrink-0 text-right">
            <span className="block font-medium tabular">{count(error.count)}</span>
            <span className="block text-xs text-muted tabular">{ago(error.at, Math.max(now, Date.parse(error.at)))}</span>
          </span>
        </li>
      ))}
    </ArrowList>
  );
}
