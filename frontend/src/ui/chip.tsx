import type { ReactNode } from "react";
import type { Campaign, CampaignStatus, Channel, Consent, Import, InboundKind, MessageStatus } from "../api/types";
import { dateTime, sentence } from "../lib/format";
import { useNow } from "../lib/hooks";
import { awaited, isQuiet, messageNames } from "./counts";
import { cx } from "./cx";

export type Tone = "neutral" | "ok" | "warn" | "bad" | "info" | "accent";

const tones: Record<Tone, string> = {
  neutral: "border-line-strong/60 text-muted",
  ok: "border-ok/40 bg-ok-soft text-ok",
  warn: "border-warn/40 bg-warn-soft text-warn",
  bad: "border-bad/40 bg-bad-soft text-bad",
  info: "border-info/40 bg-info-soft text-info",
  accent: "border-accent/40 bg-accent-soft text-accent",
};

/** A state in one word; the dot and the word carry the meaning together, never the colour alone. */
export function Chip({ tone = "neutral", live, dot = true, children }: { tone?: Tone; live?: boolean; dot?: boolean; children: ReactNode }) {
  return (
    <span className={cx("inline-flex h-6 items-center gap-1.5 rounded-full border px-2.5 text-xs font-medium whitespace-nowrap", tones[tone])}>
      {dot && <span aria-hidden className={cx("size-1.5 rounded-full bg-current", live && "animate-[pulse-dot_1.6s_ease-out_infinite]")} />}
      {children}
    </span>
  );
}

/** One name for each state of consent, wherever it is shown. "Opted out" is what a file or the team says, "Wrote STOP" what the person wrote. */
export const consentNames: Record<Consent, string> = { opted_in: "Opted in", opted_out: "Opted out", stopped: "Wrote STOP", unknown: "Consent unknown" };
const consentTones: Record<Consent, Tone> = { opted_in: "ok", opted_out: "warn", stopped: "bad", unknown: "neutral" };
export const ConsentChip = ({ consent }: { consent: Consent }) => <Chip tone={consentTones[consent]}>{consentNames[consent]}</Chip>;

const campaignTones: Record<CampaignStatus, Tone> = { draft: "neutral", scheduled: "info", running: "accent", paused: "warn", completed: "ok", canceled: "bad" };
/** A campaign's state; one that has sent everything is not called completed while outcomes are on their way. */
export function CampaignChip({ campaign }: { campaign: Pick<Campaign, "status" | "completed_at" | "counts"> & { quiet_until?: string | null } }) {
  const waits = awaited(campaign, useNow()) > 0;
  if (isQuiet(campaign))
    return (
      <span title={campaign.quiet_until ? `Until ${dateTime(campaign.quiet_until)}` : undefined}>
        <Chip tone="info">{messageNames.deferred}</Chip>
      </span>
    );
  return (
    <Chip tone={waits ? "info" : campaignTones[campaign.status]} live={campaign.status === "running" || waits}>
      {waits ? "All sent" : sentence(campaign.status)}
    </Chip>
  );
}

const importTones: Record<Import["status"], Tone> = { uploaded: "info", running: "accent", completed: "ok", failed: "bad", canceled: "neutral" };
export function ImportChip({ item }: { item: Pick<Import, "status" | "dry_run"> }) {
  const word = item.status === "uploaded" ? "Waiting for mapping" : sentence(item.status);
  return (
    <Chip tone={importTones[item.status]} live={item.status === "running"}>
      {item.dry_run && item.status !== "uploaded" ? `Dry run · ${word.toLowerCase()}` : word}
    </Chip>
  );
}

const messageTones: Record<MessageStatus, Tone> = {
  queued: "neutral", deferred: "info", sending: "accent", unknown: "warn", accepted: "info", sent: "info", delivered: "ok", read: "ok",
  undelivered: "bad", failed: "bad", refused: "warn", canceled: "neutral",
};
export const MessageChip = ({ status }: { status: MessageStatus }) => <Chip tone={messageTones[status] ?? "neutral"}>{messageNames[status] ?? sentence(status)}</Chip>;

const kinds: Record<InboundKind, [Tone, string]> = {
  stop: ["bad", "STOP"], start: ["ok", "START"], help: ["info", "HELP"], text: ["neutral", "Reply"], media: ["accent", "Media"], empty: ["neutral", "Empty"],
};
export function InboundChip({ kind }: { kind: InboundKind }) {
  const [tone, label] = kinds[kind] ?? ["neutral", sentence(kind)];
  return <Chip tone={tone}>{label}</Chip>;
}

export const channelName = (channel: Channel): string => (channel === "whatsapp" ? "WhatsApp" : "SMS");
