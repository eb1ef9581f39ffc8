/** The one place features take API types from: names for what the API's own description says. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
  total?: number | null;
}

export type Account = Schemas["AccountOut"];
export type ProfileInput = Schemas["ProfileIn"];
export type NewMember = Schemas["RegisterIn"];

export type Contact = Schemas["Contact"];
export type ContactInput = Schemas["ContactInput"];
export type ContactPatch = Schemas["ContactPatch"];
export type Consent = Contact["consent"];
export type Channel = Template["channel"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type AttributeInfo = Schemas["AttributeInfo"];

export type Import = Schemas["Import"];
export type ImportPreview = Schemas["ImportPreview"];
export type ImportStart = Schemas["ImportStart"];
export type Target = Schemas["ColumnPreview"]["suggested"];
export type Reject = Schemas["Reject"];
export type MergedRow = Schemas["MergedRow"];

export type Template = Schemas["Template"];
export type TemplateInput = Schemas["TemplateInput"];
export type TemplatePatch = Schemas["TemplatePatch"];
export type TemplatePreview = Schemas["TemplatePreview"];

export type Op = "eq" | "ne" | "contains" | "starts_with" | "in" | "exists" | "missing" | "gt" | "gte" | "lt" | "lte" | "before" | "after" | "within_days";
/** The API takes and gives any object as a definition; what it accepts as a rule is this. */
export type Rule = { all: Rule[] } | { any: Rule[] } | { not: Rule } | { field: string; op: Op; value?: unknown };
export type Segment = Omit<Schemas["Segment"], "definition"> & { definition: Rule };
export type SegmentInput = Omit<Schemas["SegmentInput"], "definition"> & { definition: Rule };
export type SegmentPatch = Schemas["SegmentPatch"];
export type Evaluation = Schemas["SegmentEvaluation"];

export type Sender = Schemas["Sender"];
export type SenderInput = Schemas["SenderInput"];
export type SenderPatch = Schemas["SenderPatch"];

export type Campaign = Schemas["Campaign"];
export type CampaignStatus = Campaign["status"];
export type CampaignInput = Schemas["CampaignInput"];
export type CampaignPatch = Schemas["CampaignPatch"];
export type Counts = Schemas["Counts"];
export type MessageStatus = Recipient["status"];
export type Preflight = Schemas["Preflight"];
export type TestSend = Schemas["TestSend"];

export type CampaignSummary = Schemas["CampaignSummary"];
export type Recipient = Schemas["Recipient"];
export type MessageDetail = Schemas["MessageDetail"];

export type Inbound = Schemas["Inbound"];
export type InboundKind = Inbound["kind"];
export type Dashboard = Schemas["Dashboard"];
export type SandboxState = Schemas["SandboxState"];

export type StreamInfo = Schemas["StreamShape"];
export type RelayInfo = Schemas["RelayShape"];
export type EventItem = Schemas["EventShape"];
export type EventInfo = Schemas["EventDetail"];
export type TracedEvent = Schemas["TracedShape"];

export interface LagSample { at: string; events: number; seconds: number }
export interface Group {
  group: string; streams: string[]; state: "running" | "paused" | "waiting" | "no_consumer"; holder: string | null; lag_events: number | null; lag_seconds: number | null;
  consumed_total: number; parked_keys: number; parked_events: number; dead_letters: number; last_consumed_at: string | null;
  paused_by: string | null; paused_at: string | null; pause_reason: string | null; lag_history: LagSample[];
}
export interface ParkedEvent {
  event_id: string; stream: string; entry_id: string; type: string; key: string; failed: number; crashed: number; taken_over: number;
  next_attempt_at: string | null; first_failed_at: string | null; error: string | null;
}
export interface DeadLetter {
  id: string; group: string; stream: string; entry_id: string; event_id: string; type: string; key: string; status: "open" | "redriven" | "discarded";
  error_class: string; error: string; failed: number; crashed: number; taken_over: number; first_failed_at: string; died_at: string; release: string;
  resolved_at: string | null; resolved_by: string | null; reason: string | null;
}
export interface DeadLetterDetail extends DeadLetter {
  data: Record<string, unknown>; stack: string; history: { at: string; kind: string; error: string | null; by: string | null }[];
  correlation_id: string | null; causation_id: string | null; time: string;
}
export interface LetterFilter { ids?: string[]; filter?: { group?: string; type?: string; key?: string; search?: string } }
export interface RedriveInput extends LetterFilter { dry_run: boolean; per_second?: number }
export interface Redriven { matched: number; redriven: number; dry_run: boolean; sample: DeadLetter[] }
export interface Discarded { matched: number; discarded: number }
export interface ReplayInput {
  group: string; stream?: string; types?: string[]; key?: string; from_time?: string; to_time?: string; per_second?: number; dry_run: boolean;
}
export interface Replay {
  id: string; group: string; stream: string | null; types: string[] | null; key: string | null; status: "pending" | "running" | "completed" | "canceled" | "failed";
  matched: number; done: number; failed: number; requested_by: string; requested_at: string; finished_at: string | null; per_second: number | null;
  from_time: string | null; to_time: string | null; error: string | null;
}
