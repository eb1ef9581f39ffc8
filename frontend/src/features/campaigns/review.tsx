import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CalendarClock, CircleAlert, Rocket, RotateCw, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { launchCampaign, preflightQuery, scheduleCampaign, testSend } from "../../api/campaigns";
import type { Campaign, Preflight } from "../../api/types";
import { count, dateTime, duration, perSecond, plural } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { instantIn, wallIn, zones } from "../../lib/zones";
import { Button } from "../../ui/button";
import { ConfirmDialog, Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Card, Definition, Stat } from "../../ui/layout";
import { PhonePreview } from "../../ui/phone-preview";
import { PartsBar, PartsLegend, type Part } from "../../ui/progress";
import { ComboBox } from "../../ui/select";
import { Freshness, Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import type { Step } from "./draft";
import { finishHint } from "./finish";

export function ReviewStep({ campaign, onStep }: { campaign: Campaign; onStep: (step: Step) => void }) {
  const preflight = useQuery(preflightQuery(campaign.id, campaign.version));
  return (
    <QueryState query={preflight} skeleton={<Skeleton rows={4} height={110} />}>
      {preflight.data && (
        <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
          <Findings data={preflight.data} />
          <Figures data={preflight.data} campaign={campaign} />
          <div className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,1fr)]">
            <Card title="Who is left out, and why">
              <Exclusions data={preflight.data} />
            </Card>
            <Card title="Settings">
              <Settings campaign={campaign} onStep={onStep} />
            </Card>
          </div>
          <Previews data={preflight.data} campaign={campaign} />
          <div className="flex flex-wrap items-center gap-3">
            <Freshness at={preflight.dataUpdatedAt} prefix="Preflight ran" />
            <Button size="sm" variant="ghost" icon={<RotateCw aria-hidden />} isPending={preflight.isFetching} onPress={() => void preflight.refetch()}>
              Run it again
            </Button>
          </div>
          <Actions campaign={campaign} data={preflight.data} />
        </div>
      )}
    </QueryState>
  );
}

function Findings({ data }: { data: Preflight }) {
  if (data.problems.length === 0) return null;
  return (
    <ul className="grid gap-2">
      {data.problems.map((problem) => {
        const error = problem.level === "error";
        const Icon = error ? CircleAlert : TriangleAlert;
        return (
          <li key={problem.code + problem.message} className={`flex gap-3 rounded-md border px-4 py-3 ${error ? "border-bad bg-bad-soft" : "border-warn/60 bg-warn-soft"}`}>
            <Icon aria-hidden className={`mt-0.5 size-[18px] shrink-0 ${error ? "text-bad" : "text-warn"}`} />
            <span>
              <span className="font-semibold">{error ? "Blocks the launch: " : "Warning: "}</span>
              {problem.message}
            </span>
          </li>
        );
      })}
    </ul>
  );
}

function Figures({ data, campaign }: { data: Preflight; campaign: Campaign }) {
  const parts = data.sms_segments;
  const perMessage = parts && (parts.per_message_min === parts.per_message_max ? String(parts.per_message_max) : `${parts.per_message_min} to ${parts.per_message_max}`);
  return (
    <dl className="grid grid-cols-2 gap-3 sm:gap-4 lg:grid-cols-4">
      <Stat label={campaign.segment_id ? "In the segment" : "All contacts"} value={count(data.audience)} hint={campaign.segment_id ? "people its rules name right now" : "before the consent gate"} />
      <Stat label="Will get it" value={count(data.eligible)} hint={`${count(data.audience - data.eligible)} left out`} tone={data.eligible === 0 ? "bad" : "ok"} />
      <Stat label="Expected finish" value={data.expected_seconds > 0 ? duration(data.expected_seconds) : "–"} hint={finishHint(data)} />
      {parts ? <Stat label="SMS segments" value={`${parts.is_estimate ? "≈ " : ""}${count(parts.total)}`} hint={`${perMessage} per message, ${parts.encoding === "mixed" ? "GSM-7 or UCS-2" : parts.encoding}; the rate counts messages`} /> : <Stat label="In quiet hours now" value={count(data.quiet_now)} hint="their messages wait" />}
    </dl>
  );
}

/** Who is left out, each reason in the colour of that state of consent, the same each time. */
const reasonTones: Record<string, Part["tone"]> = { opted_out: "warn", stopped: "bad", no_consent: "neutral", missing_attribute: "accent", variable_empty: "warn", variable_multiline: "neutral", text_empty: "bad" };

function Exclusions({ data }: { data: Preflight }) {
  const left: Part[] = data.exclusions.map((entry) => ({ id: entry.reason, label: entry.detail ? `${entry.title}: ${entry.detail}` : entry.title, value: entry.count, tone: reasonTones[entry.reason] ?? "info" }));
  return (
    <div className="grid gap-3">
      <PartsBar label="Left out" parts={left} />
      <PartsLegend parts={left} />
      {left.length === 0 && <p className="text-sm text-muted">Nobody is left out.</p>}
    </div>
  );
}

/** The rate that holds: never more than the sender allows, whatever the campaign asks for. */
function rate({ messages_per_second: own, effective_messages_per_second: effective }: Campaign): string {
  if (effective === null) return "As fast as the sender allows";
  const text = `${perSecond(effective)} at most`;
  return own !== null && own > effective ? `${text}: the sender allows no more (${count(own)} asked for)` : text;
}

function Settings({ campaign, onStep }: { campaign: Campaign; onStep: (step: Step) => void }) {
  const edit = (step: Step, label: string) => (
    <Button size="sm" variant="ghost" aria-label={`Change the ${label}`} onPress={() => onStep(step)} className="-my-1.5 !px-2">
      Change
    </Button>
  );
  return (
    <Definition
      items={[
        ["People", <span key="a">{campaign.segment?.name ?? (campaign.segment_id ? "A segment" : "Everyone who opted in")} {edit("audience", "people")}</span>],
        ["Template", <span key="t">{campaign.template?.name ?? "Chosen"} {edit("template", "template")}</span>],
        ["Sender", <span key="s">{campaign.sender ? `${campaign.sender.name}, ${campaign.sender.address}` : "Chosen"} {edit("delivery", "sender")}</span>],
        ["Rate", rate(campaign)],
        ["Quiet hours", campaign.quiet_hours ? `${campaign.quiet_hours.start} to ${campaign.quiet_hours.end}, each person’s own time, else that of their number` : "None"],
      ]}
    />
  );
}

function Previews({ data, campaign }: { data: Preflight; campaign: Campaign }) {
  if (data.previews.length === 0) return null;
  return (
    <Card title="Preview">
      <ul className="flex snap-x gap-4 overflow-x-auto pb-2" tabIndex={0} aria-label="Previews">
        {data.previews.map((preview) => (
          <li key={preview.contact_id} className="flex w-[264px] shrink-0 snap-start flex-col">
            <p className="mb-2 text-sm text-muted tabular">{preview.phone}</p>
            <PhonePreview channel={campaign.template?.channel ?? "whatsapp"} text={preview.text} recipient={preview.phone} sender={campaign.sender?.name} short />
          </li>
        ))}
      </ul>
    </Card>
  );
}

type Asking = "launch" | "schedule" | "test" | null;

function Actions({ campaign, data }: { campaign: Campaign; data: Preflight }) {
  const [asking, setAsking] = useState<Asking>(null);
  const navigate = useNavigate();
  const cache = useQueryClient();
  const close = () => setAsking(null);
  const started = (stored: Campaign, message: string) => {
    cache.setQueryData(["campaigns", "detail", stored.id], stored);
    void cache.invalidateQueries({ queryKey: ["campaigns", "list"] });
    toast.done(message);
    void navigate({ to: "/campaigns/$campaignId", params: { campaignId: stored.id }, ignoreBlocker: true });
  };
  return (
    <div className="sticky bottom-3 z-20 flex flex-wrap gap-2 rounded-lg border border-line bg-solid p-3 shadow-card max-sm:[&>*]:grow">
      <Button variant="primary" icon={<Rocket aria-hidden />} isDisabled={!data.can_launch} onPress={() => setAsking("launch")}>
        Launch to {plural(data.eligible, "person", "people")}
      </Button>
      <Button icon={<CalendarClock aria-hidden />} isDisabled={!data.can_launch} onPress={() => setAsking("schedule")}>
        Schedule
      </Button>
      <Button onPress={() => setAsking("test")}>Send a test</Button>
      <ConfirmDialog
        title={`Launch “${campaign.name}”?`}
        open={asking === "launch"}
        onClose={close}
        onConfirm={() => launchCampaign(campaign.id).then((stored) => started(stored, "Launched"))}
        action={`Send to ${plural(data.eligible, "person", "people")}`}
      >
        <p>
          {plural(data.eligible, "person", "people")} will get “{campaign.template?.name ?? "the template"}”; {count(data.audience - data.eligible)} of {count(data.audience)} are left out.
        </p>
        <p className="text-muted">You can pause or cancel while it runs. A STOP that arrives meanwhile stops that person’s message.</p>
      </ConfirmDialog>
      {asking === "schedule" && <ScheduleDialog campaign={campaign} data={data} onClose={close} onDone={(stored) => started(stored, `Scheduled for ${dateTime(stored.scheduled_at ?? new Date())}`)} />}
      {asking === "test" && <TestDialog campaign={campaign} onClose={close} />}
    </div>
  );
}

function ScheduleDialog({ campaign, data, onClose, onDone }: { campaign: Campaign; data: Preflight; onClose: () => void; onDone: (campaign: Campaign) => void }) {
  const now = useNow();
  const [zone, setZone] = useState(campaign.timezone);
  const [wall, setWall] = useState(() => wallIn(campaign.timezone, new Date(Date.now() + 3_600_000)));
  const at = wall && zone ? instantIn(zone, wall) : null;
  const past = at !== null && at.getTime() < now;
  const schedule = useMutation({ mutationFn: () => scheduleCampaign(campaign.id, at!.toISOString()), onSuccess: onDone });
  return (
    <Dialog
      title="Schedule the launch"
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" isDisabled={at === null || past} isPending={schedule.isPending} onPress={() => schedule.mutate()}>
            Schedule for {plural(data.eligible, "person", "people")}
          </Button>
        </>
      }
    >
      <div className="grid gap-4">
        <TextField label="Date and time" type="datetime-local" value={wall} onChange={setWall} error={past ? "This time has passed." : undefined} />
        <ComboBox label="In the time zone" value={zone} onChange={setZone} options={zones()} />
        {at && !past && <p className="text-sm text-muted">That is {dateTime(at)} where you are. The audience is fixed at that moment.</p>}
        <Problems error={schedule.error} />
      </div>
    </Dialog>
  );
}

const taken: ReadonlySet<string> = new Set(["accepted", "sent", "delivered", "read"]);

function TestDialog({ campaign, onClose }: { campaign: Campaign; onClose: () => void }) {
  const [phone, setPhone] = useState("");
  const send = useMutation({
    mutationFn: () => testSend(campaign.id, phone.trim()),
    onSuccess: (sent) => {
      if (!taken.has(sent.status)) return;
      toast.done(`Test sent to ${phone.trim()}`);
      onClose();
    },
  });
  const refused = send.data && !taken.has(send.data.status) ? send.data : null;
  return (
    <Dialog
      title="Send a test"
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="test-send" isDisabled={phone.trim() === ""} isPending={send.isPending}>
            Send one message
          </Button>
        </>
      }
    >
      <form
        id="test-send"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          send.mutate();
        }}
      >
        <TextField label="To" type="tel" required value={phone} onChange={setPhone} autoFocus placeholder="+351 912 345 678" hint="Consent rules apply to tests, too." />
        {refused && (
          <p role="alert" className="rounded-md border border-bad bg-bad-soft px-3 py-2 text-sm">
            <span className="font-semibold">Not sent ({refused.status}).</span> {refused.detail}
          </p>
        )}
        <Problems error={send.error} />
      </form>
    </Dialog>
  );
}
