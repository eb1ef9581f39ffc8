/** The one place features take API types from. */

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  total?: number;
}

export interface Account {
  id: string;
  email: string | null;
  display_name: string;
  role: "owner" | "member";
  has_password: boolean;
  created_at: string;
}

export type Consent = "opted_in" | "opted_out" | "stopped" | "unknown";
export type Channel = "whatsapp" | "sms";

export interface Contact {
  id: string;
  phone: string;
  country: string | null;
  attributes: Record<string, string>;
  consent: Consent;
  consent_changed_at: string | null;
  topics: string[];
  timezone: string | null;
  locale: string | null;
  created_at: string;
  updated_at: string;
  version: number;
}

export interface ContactInput {
  phone: string;
  attributes?: Record<string, string>;
  consent?: Consent;
  topics?: string[];
  timezone?: string | null;
  locale?: string | null;
}

export interface TimelineEntry {
  at: string;
  kind: "consent" | "message" | "inbound" | "import" | "created" | "edited";
  title: string;
  detail: string | null;
  campaign_id?: string | null;
  message_id?: string | null;
}

export interface AttributeInfo {
  name: string;
  count: number;
  sample: string[];
  numeric: boolean;
  date: boolean;
}

export type Target = "phone" | "consent" | "timezone" | "locale" | "topics" | "ignore" | { attribute: string };

export interface Import {
  id: string;
  name: string;
  size_bytes: number;
  format: "csv" | "json" | "jsonl" | null;
  status: "uploaded" | "running" | "completed" | "failed" | "canceled";
  dry_run: boolean;
  rows_read: number;
  created: number;
  updated: number;
  unchanged: number;
  merged: number;
  rejected: number;
  consent_kept: number;
  progress: number;
  rows_per_second: number | null;
  error: string | null;
  warnings: { code: string; message: string; count: number }[];
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  version: number;
}

export interface ImportPreview {
  format: string;
  encoding: string;
  delimiter: string | null;
  columns: { name: string; samples: string[]; suggested: Target }[];
  rows_sampled: number;
}

export interface ImportStart {
  mapping: { column: string; target: Target }[];
  default_region: string | null;
  consent_source: string;
  default_consent: "opted_in" | "unknown";
  mode: "merge" | "create_only";
  dry_run: boolean;
}

export interface Reject {
  line: number;
  reason_code: string;
  reason: string;
  row: string;
}

export interface Template {
  id: string;
  name: string;
  channel: Channel;
  locale: string;
  body: string;
  content_sid: string | null;
  placeholders: string[];
  created_at: string;
  updated_at: string;
  version: number;
}

export type TemplateInput = Pick<Template, "name" | "channel" | "locale" | "body" | "content_sid">;

export interface TemplatePreview {
  text: string;
  missing: string[];
  unknown: string[];
  placeholders: string[];
  encoding: "GSM-7" | "UCS-2";
  segments: number;
  units: number;
  units_left_in_segment: number;
  non_gsm_characters: string[];
}

export type Op = "eq" | "ne" | "contains" | "starts_with" | "in" | "exists" | "missing" | "gt" | "gte" | "lt" | "lte" | "before" | "after" | "within_days";
export type Rule = { all: Rule[] } | { any: Rule[] } | { not: Rule } | { field: string; op: Op; value?: unknown };

export interface Segment {
  id: string;
  name: string;
  description: string;
  definition: Rule;
  size: number | null;
  size_at: string | null;
  created_at: string;
  updated_at: string;
  version: number;
}

export type SegmentInput = Pick<Segment, "name" | "description" | "definition">;

export interface Evaluation {
  size: number;
  sample: Contact[];
  took_ms: number;
  warnings: string[];
}

export interface Sender {
  id: string;
  name: string;
  channel: Channel;
  address: string;
  messages_per_second: number;
  created_at: string;
  version: number;
}

export type SenderInput = Pick<Sender, "name" | "channel" | "address" | "messages_per_second">;

export type CampaignStatus = "draft" | "scheduled" | "running" | "paused" | "completed" | "canceled";
export type MessageStatus = "queued" | "deferred" | "sending" | "unknown" | "accepted" | "sent" | "delivered" | "read" | "undelivered" | "failed" | "refused" | "canceled";
export type Counts = { audience: number } & Record<MessageStatus, number>;

export interface CampaignInput {
  name: string;
  template_id: string;
  segment_id: string | null;
  sender_id: string;
  messages_per_second?: number | null;
  quiet_hours: { start: string; end: string } | null;
  timezone: string;
  topic?: string | null;
}

export interface Campaign extends CampaignInput {
  id: string;
  status: CampaignStatus;
  scheduled_at: string | null;
  launched_at: string | null;
  completed_at: string | null;
  created_at: string;
  version: number;
  counts: Counts;
  pause_reason: string | null;
  template?: { id: string; name: string; channel: Channel };
  segment?: { id: string; name: string } | null;
  sender?: { id: string; name: string; address: string };
}

export interface Preflight {
  audience: number;
  eligible: number;
  exclusions: { reason: string; count: number }[];
  sms_segments: { per_message_min: number; per_message_max: number; total: number; encoding: string } | null;
  expected_seconds: number;
  expected_finish: string;
  quiet_now: number;
  previews: { contact_id: string; phone: string; text: string }[];
  problems: { level: "error" | "warning"; code: string; message: string }[];
  can_launch: boolean;
}

export interface CampaignSummary {
  campaign: Campaign;
  counts: Counts;
  funnel: { audience: number; accepted: number; sent: number; delivered: number; read: number };
  rates: { delivery: number | null; read: number | null; failure: number | null };
  errors: { code: string; title: string; what_to_do: string; count: number }[];
  refusals: { reason: string; title: string; count: number }[];
  opt_outs: number;
  replies: number;
  timeline: { minute: string; accepted: number; sent: number; delivered: number; read: number; failed: number }[];
  seconds_to_deliver: { p50: number; p90: number; p95: number } | null;
  rate_per_second: number | null;
  eta: string | null;
  stalled_since: string | null;
}

export interface Recipient {
  message_id: string;
  contact_id: string;
  phone: string;
  status: MessageStatus;
  reason: string | null;
  error_code: string | null;
  error_title: string | null;
  updated_at: string;
  accepted_at: string | null;
  delivered_at: string | null;
  read_at: string | null;
}

export interface MessageDetail {
  id: string;
  campaign_id: string | null;
  contact_id: string | null;
  phone: string;
  status: MessageStatus;
  reason: string | null;
  error_code: string | null;
  body: string;
  receipts: { status: string; error_code: string | null; received_at: string }[];
}

export type InboundKind = "stop" | "start" | "help" | "text" | "media" | "empty";

export interface Inbound {
  id: string;
  phone_masked: string;
  channel: Channel;
  kind: InboundKind;
  text: string;
  received_at: string;
  applied: boolean;
  effect: string | null;
  contact_id: string | null;
}

export interface Dashboard {
  contacts: { total: number; opted_in: number; opted_out: number; stopped: number; unknown: number };
  campaigns: { running: number; scheduled: number; paused: number };
  messages_24h: { accepted: number; sent: number; delivered: number; read: number; failed: number; undelivered: number; refused: number };
  inbound_24h: number;
  delivery_rate_24h: number | null;
  throughput: { minute: string; accepted: number; delivered: number; failed: number }[];
  running: Campaign[];
  recent_errors: { at: string; campaign_id: string; campaign_name: string; code: string; title: string; count: number }[];
  attention: { level: string; message: string; link: string | null }[];
  generated_at: string;
}

export interface SandboxState {
  active: boolean;
  url: string | null;
}
