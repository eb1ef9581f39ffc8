import type { Campaign, CampaignInput } from "../../api/types";
import { read, write } from "../../lib/storage";
import { localZone } from "../../lib/zones";

/** What the four steps fill in; it becomes a CampaignInput once it has a name and a template. */
export interface Draft {
  name: string;
  segment_id: string | null;
  audience: "everyone" | "segment";
  topic: string;
  template_id: string | null;
  sender_id: string | null;
  messages_per_second: string;
  quiet: boolean;
  quiet_start: string;
  quiet_end: string;
  timezone: string;
}

export type Step = "audience" | "template" | "delivery" | "review";

export const steps: { id: Step; label: string }[] = [
  { id: "audience", label: "People" },
  { id: "template", label: "Message" },
  { id: "delivery", label: "Delivery" },
  { id: "review", label: "Review" },
];

export function draftOf(campaign?: Campaign): Draft {
  return {
    name: campaign?.name ?? "",
    segment_id: campaign?.segment_id ?? null,
    audience: campaign?.segment_id ? "segment" : "everyone",
    topic: campaign?.topic ?? "",
    template_id: campaign?.template_id ?? null,
    sender_id: campaign?.sender_id ?? null,
    messages_per_second: campaign?.messages_per_second ? String(campaign.messages_per_second) : "",
    quiet: campaign ? campaign.quiet_hours !== null : true,
    quiet_start: campaign?.quiet_hours?.start ?? "21:00",
    quiet_end: campaign?.quiet_hours?.end ?? "08:00",
    timezone: campaign?.timezone ?? localZone(),
  };
}

/** What keeps a step from being done, and the field that it is about. */
export interface Lack {
  field: keyof Draft;
  message: string;
}

const lackOf = (field: keyof Draft, message: string): Lack => ({ field, message });

/** What is missing or wrong before this step is done, or null. */
export function missing(draft: Draft, step: Step): Lack | null {
  if (step === "audience") {
    if (draft.name.trim() === "") return lackOf("name", "Give the campaign a name.");
    if (draft.audience === "segment" && draft.segment_id === null) return lackOf("segment_id", "Choose a segment.");
  }
  if (step === "template" && draft.template_id === null) return lackOf("template_id", "Choose a template.");
  if (step === "delivery") return draft.sender_id === null ? lackOf("sender_id", "Choose a sender.") : wrongDelivery(draft);
  return null;
}

function wrongDelivery(draft: Draft): Lack | null {
  if (draft.messages_per_second !== "" && !(Number(draft.messages_per_second) > 0)) return lackOf("messages_per_second", "The rate must be more than 0 messages a second.");
  if (draft.quiet && draft.quiet_start === draft.quiet_end) return lackOf("quiet_end", "Quiet hours must begin and end at different times.");
  if (draft.timezone === "") return lackOf("timezone", "Choose a time zone.");
  return null;
}

/** True once the API can keep it: it has a name and a template, and nothing in it is wrong. A sender may follow later. */
export const savable = (draft: Draft): boolean => missing(draft, "audience") === null && missing(draft, "template") === null && wrongDelivery(draft) === null;

const KEPT = "campaign-draft";

/** What somebody had begun of a new campaign before it could be saved. */
export const begun = (): Draft => ({ ...draftOf(), ...read<Partial<Draft>>(KEPT, {}) });
export const keepBegun = (draft: Draft | null): void => write(KEPT, draft ?? {});

/** The first step that is not done; "review" when all are. */
export const furthest = (draft: Draft): Step => (["audience", "template", "delivery"] as const).find((step) => missing(draft, step) !== null) ?? "review";

export function inputOf(draft: Draft): CampaignInput {
  if (draft.template_id === null) throw new Error("The draft has no template");
  return {
    name: draft.name.trim(),
    template_id: draft.template_id,
    segment_id: draft.audience === "segment" ? draft.segment_id : null,
    sender_id: draft.sender_id,
    messages_per_second: draft.messages_per_second === "" ? null : Number(draft.messages_per_second),
    quiet_hours: draft.quiet ? { start: draft.quiet_start, end: draft.quiet_end } : null,
    timezone: draft.timezone,
    topic: draft.topic.trim() || null,
  };
}
