import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Archive, CircleAlert, Hourglass, PauseCircle } from "lucide-react";
import { lazy, Suspense, useMemo } from "react";
import { summaryQuery } from "../../api/campaigns";
import type { CampaignSummary } from "../../api/types";
import { ago, count, date, dateTime, duration, percent, plural, time } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { useLive } from "../../realtime/client";
import { Spinner } from "../../ui/button";
import { CampaignChip, Chip, channelName } from "../../ui/chip";
import { cx } from "../../ui/cx";
import { awaited, countParts, doneRatio, isQuiet, messageNames, onTheWay, openCount, outcomes, reach } from "../../ui/counts";
import { Card, PageHeader, Stat } from "../../ui/layout";
import { LiveControls } from "../../ui/live-controls";
import { PartsBar, PartsLegend } from "../../ui/progress";
import { QueryState, Skeleton } from "../../ui/states";
import { Controls } from "./controls";
import { Errors, Funnel, Refusals } from "./findings";
import { finishWords } from "./finish";
import { People } from "./people";

const TimeChart = lazy(() => import("../../ui/chart").then((module) => ({ default: module.TimeChart })));

export default function ReportPage() {
  const { campaignId } = useParams({ from: "/campaigns/$campaignId" });
  const summary = useQuery(summaryQuery(campaignId));
  useLive(`campaign:${campaignId}`);
  return (
    <QueryState query={summary} skeleton={<Skeleton rows={5} height={110} />} gone={{ what: "Campaign", to: "/campaigns", label: "Campaigns" }}>
      {summary.data && <Report data={summary.data} at={summary.dataUpdatedAt} />}
    </QueryState>
  );
}

function Report({ data, at }: { data: CampaignSummary; at: number }) {
  const { campaign } = data;
  return (
    <>
      <PageHeader needs="campaigns:launch"
        title={campaign.name}
        back={{ to: "/campaigns", label: "Campaigns" }}
        meta={
          <>
            {standsStill(data) ? <Chip tone="warn">Stalled</Chip> : <CampaignChip campaign={campaign} />}
            {campaign.template && (
              <Link to="/templates/$templateId" params={{ templateId: campaign.template.id }} className="underline-offset-4 hover:underline">
                {campaign.template.name}, {channelName(campaign.template.channel)}
              </Link>
            )}
            {campaign.segment && (
              <Link to="/segments/$segmentId" params={{ segmentId: campaign.segment.id }} className="underline-offset-4 hover:underline">
                {campaign.segment.name}
              </Link>
            )}
            {campaign.launched_at && <span>Launched {dateTime(campaign.launched_at)}</span>}
            <LiveControls at={at} />
          </>
        }
        actions={<Controls campaign={campaign} />}
      />
      <div className="grid gap-4">
        <Notice data={data} />
        <Progress data={data} />
        <Figures data={data} />
        <div className="grid gap-4 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
          <Card title="Over time" aside={data.timeline.length > 0 && <span className="text-sm text-muted">{`one point is ${duration(data.timeline_seconds)}`}</span>}>
            <Suspense fallback={<Skeleton rows={1} height={266} />}>
              <Timeline points={data.timeline} seconds={data.timeline_seconds} read={tellsRead(data)} starting={isStarting(data)} />
            </Suspense>
          </Card>
          <Card title="Funnel">
            <Funnel data={data} read={tellsRead(data)} />
          </Card>
        </div>
        {(data.errors.length > 0 || data.refusals.length > 0) && (
          <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
            <Errors campaignId={campaign.id} errors={data.errors} />
            <Refusals campaignId={campaign.id} refusals={data.refusals} />
          </div>
        )}
        {data.retired_at ? (
          <div id="people" className="scroll-mt-20">
            <Card title="People">
              <p className="text-muted">Who got it is no longer stored: its messages were removed.</p>
            </Card>
          </div>
        ) : (
          <People campaignId={campaign.id} counts={data.counts} />
        )}
      </div>
    </>
  );
}

/** Nothing moves, and nobody ordered it. */
const standsStill = ({ campaign, standstill }: CampaignSummary): boolean => standstill !== null && campaign.status === "running" && !isQuiet(campaign);

/** An ordered pause with a known end. */
function Quiet({ data: { campaign, counts, quiet } }: { data: CampaignSummary }) {
  const now = useNow();
  const until = quiet?.first_until ?? campaign.quiet_until;
  return (
    <p role="status" className="flex gap-3 rounded-md border border-info/50 bg-info-soft px-4 py-3 text-md">
      <Hourglass aria-hidden className="mt-0.5 size-5 shrink-0 text-info" />
      <span>
        <span className="font-semibold">{`${messageNames.deferred}${until ? ` until ${dateTime(until)} (${ago(until, now)})` : ""}.`}</span>{" "}
        {`${plural(counts.deferred, "person is", "people are")} in quiet hours now. Sending continues by itself afterwards.`}
      </span>
    </p>
  );
}

function Notice({ data }: { data: CampaignSummary }) {
  const now = useNow();
  const { campaign } = data;
  const look = "flex gap-3 rounded-md border px-4 py-3 text-md";
  if (campaign.status === "paused")
    return (
      <p role="status" className={`${look} border-warn/60 bg-warn-soft`}>
        <PauseCircle aria-hidden className="mt-0.5 size-5 shrink-0 text-warn" />
        <span>
          <span className="font-semibold">Paused.</span> {campaign.pause_reason ?? "No messages are sent until it is resumed."}
        </span>
      </p>
    );
  if (data.retired_at)
    return (
      <p className={`${look} border-info/50 bg-info-soft`}>
        <Archive aria-hidden className="mt-0.5 size-5 shrink-0 text-info" />
        <span>
          <span className="font-semibold">{`Its messages were removed on ${date(data.retired_at)}.`}</span> The retention period was over. The totals stay, and the chart by day.
        </span>
      </p>
    );
  if (isQuiet(campaign)) return <Quiet data={data} />;
  if (standsStill(data) && data.standstill) return <StandsStill standstill={data.standstill} />;
  if (campaign.status === "scheduled" && campaign.scheduled_at)
    return (
      <p className={`${look} border-info/50 bg-info-soft`}>
        <Hourglass aria-hidden className="mt-0.5 size-5 shrink-0 text-info" />
        <span>
          Launches {dateTime(campaign.scheduled_at)} ({ago(campaign.scheduled_at, now)}). The audience is fixed at launch.
        </span>
      </p>
    );
  return null;
}

/** Why nothing moves and when it goes on; waiting for a known time is no alarm. */
function StandsStill({ standstill }: { standstill: NonNullable<CampaignSummary["standstill"]> }) {
  const now = useNow();
  const { since, waiting, message, goes_on: goesOn, resumes_at: resumesAt, reason } = standstill;
  const isUsual = resumesAt !== null && reason !== "circuit_open";
  const look = isUsual ? "border-info/50 bg-info-soft" : "border-bad bg-bad-soft";
  return (
    <div role="alert" className={`flex gap-3 rounded-md border px-4 py-3 text-md ${look}`}>
      {isUsual ? <Hourglass aria-hidden className="mt-0.5 size-5 shrink-0 text-info" /> : <CircleAlert aria-hidden className="mt-0.5 size-5 shrink-0 text-bad" />}
      <div className="min-w-0">
        <p className="font-semibold">
          No progress since {time(since)}{waiting > 0 && `; ${plural(waiting, "person waits", "people wait")}`}.
        </p>
        <p>{message}</p>
        <p className="text-muted">{resumesAt ? `It ${isUsual ? "continues" : "is retried"} ${dateTime(resumesAt)} (${ago(resumesAt, now)}).` : goesOn} {resumesAt && !isUsual && goesOn}</p>
      </div>
    </div>
  );
}

/** All is sent; it is completed once every outcome is known, or nobody waits for the rest any more. */
function ended({ campaign, counts }: CampaignSummary, now: number): string {
  const waits = awaited(campaign, now);
  if (waits > 0) return `All sent, ${count(waits)} on their way`;
  const silent = onTheWay(counts);
  return `Completed${campaign.completed_at ? ` ${dateTime(campaign.completed_at)}` : ""}${silent > 0 ? `; ${count(silent)} without a final status` : ""}`;
}

function pace(data: CampaignSummary, now: number): string {
  const { campaign, counts } = data;
  if (campaign.status === "running" && counts.deferred > 0 && !standsStill(data)) return finishWords(data, now);
  const open = openCount(counts);
  if (campaign.status === "completed") return ended(data, now);
  if (campaign.status === "canceled") return `${count(counts.canceled)} were not sent because it was canceled`;
  if (campaign.status !== "running") return `${plural(open, "person waits", "people wait")}`;
  if (standsStill(data)) return `${count(open)} to go`;
  const rate = data.rate_per_second === null ? "rate not known yet" : `${count(Math.round(data.rate_per_second))} messages/s`;
  const eta = data.eta ? `, done ${ago(data.eta, now)}` : "";
  return `${count(open)} to go, ${rate}${eta}`;
}

/** Launched a moment ago: who gets it is being worked out, or the first messages are on their way to Twilio. */
const isStarting = ({ campaign, funnel }: CampaignSummary): boolean => campaign.status === "running" && funnel.accepted === 0 && !isQuiet(campaign);

const Starting = () => (
  <p role="status" className="flex items-center gap-2.5 py-6 text-muted">
    <Spinner /> Starting: the first messages appear here in a few seconds.
  </p>
);

function Progress({ data }: { data: CampaignSummary }) {
  const { counts } = data;
  const now = useNow();
  if (counts.audience === 0 && isStarting(data))
    return (
      <p role="status" className="card flex items-center gap-2.5 px-5 py-5 text-md">
        <Spinner /> Launched. The audience is being determined.
      </p>
    );
  if (counts.audience === 0) return null;
  const parts = countParts(counts);
  return (
    <section aria-label="People by state" className="card grid gap-3.5 px-5 py-5">
      <div className="flex flex-wrap items-baseline justify-between gap-x-6 gap-y-1">
        <p className="text-xl font-semibold tabular">
          {percent(doneRatio(counts))} <span className="text-md font-normal text-muted">of {plural(reach(counts), "person", "people")}{counts.refused > 0 && `; ${count(counts.refused)} left out`}</span>
        </p>
        <p className="text-muted tabular">{pace(data, now)}</p>
      </div>
      <h2 className="-mb-1 text-sm text-muted">Current state of each person</h2>
      <PartsBar label="People by state" parts={parts} />
      <PartsLegend parts={parts} />
    </section>
  );
}

/** WhatsApp says when a message was read; SMS never does. */
const tellsRead = (data: CampaignSummary): boolean => data.campaign.template?.channel !== "sms";

function Figures({ data }: { data: CampaignSummary }) {
  const { rates, counts, seconds_to_deliver: speed } = data;
  const now = useNow();
  const soFar = data.campaign.status === "running" || awaited(data.campaign, now) > 0 ? " so far" : "";
  return (
    <dl className={cx("grid grid-cols-2 gap-3 sm:gap-4 md:grid-cols-3", tellsRead(data) ? "xl:grid-cols-6" : "xl:grid-cols-5")}>
      <Stat label={`Delivery rate${soFar}`} value={percent(rates.delivery)} hint={`${count(counts.delivered + counts.read)} delivered of ${count(outcomes(counts))} with an outcome${onTheWay(counts) > 0 ? `, ${count(onTheWay(counts))} on their way` : ""}`} />
      {tellsRead(data) && <Stat label="Read rate" value={percent(rates.read)} hint={`${count(counts.read)} read of ${count(counts.delivered + counts.read)} delivered`} />}
      <Stat label="Failure rate" value={percent(rates.failure)} hint={`${count(counts.failed + counts.undelivered)} failed or undelivered`} tone={rates.failure !== null && rates.failure > 0.05 ? "bad" : undefined} />
      <Stat label="Time to deliver" value={speed ? duration(speed.p50) : "–"} hint={speed ? `median; 95 % within ${duration(speed.p95)}` : "no delivery yet"} />
      <Stat label="Replies" value={count(data.replies)} />
      <Stat label="Wrote STOP" value={count(data.opt_outs)} hint="after this campaign’s message" tone={data.opt_outs > 0 ? "warn" : undefined} />
    </dl>
  );
}

function Timeline({ points, seconds, read, starting }: { points: CampaignSummary["timeline"]; seconds: number; read: boolean; starting: boolean }) {
  const series = useMemo(
    () => [
      { id: "accepted", label: "Accepted by Twilio", color: "--chart-1", fill: true, values: points.map((point) => point.accepted) },
      { id: "delivered", label: "Delivered", color: "--ok", dash: [6, 4], values: points.map((point) => point.delivered) },
      ...(read ? [{ id: "read", label: "Read", color: "--chart-6", dash: [10, 3, 2, 3], values: points.map((point) => point.read) }] : []),
      { id: "failed", label: "Failed or undelivered", color: "--bad", dash: [2, 3], values: points.map((point) => point.failed + point.undelivered) },
    ],
    [points, read],
  );
  const times = useMemo(() => points.map((point) => point.at), [points]);
  if (points.length === 0) return starting ? <Starting /> : <p className="py-6 text-muted">Nothing has been sent yet.</p>;
  return <TimeChart label={`Messages, one point for each ${duration(seconds)}`} times={times} seconds={seconds} series={series} />;
}
