/** The one place features take API types from: names for what the API's own description says. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export interface Page<T> {
  items: T[];
  next_cursor?: string | null;
  total?: number | null;
}

export type Account = Schemas["AccountOut"];
export type Me = Schemas["MeOut"];
export type Session = Schemas["SessionOut"];
export type TwoStepSetup = Schemas["TwoStepSetupOut"];
export type TwoStepProof = Schemas["TwoStepProofIn"];
export type ProfileInput = Schemas["ProfileIn"];
export type Role = Account["role"];
export type Permission = Me["permissions"][number];
/** What an API key may hold. */
export type KeyScope = ApiKey["scopes"][number];
export type AccountInput = Schemas["AccountIn"] & { role: Role };
export type ApiKey = Schemas["ApiKeyShape"];
export type NewApiKey = Schemas["NewApiKey"];
export type ApiKeyInput = Schemas["ApiKeyIn"];
export type AuditEntry = Schemas["AuditEntry"];
export type AuditProof = Schemas["AuditProof"];

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
export type Dates = Schemas["DatesFound"]["dates"];
export type Target = Schemas["ColumnPreview"]["suggested"];
export type Reject = Schemas["Reject"];
export type ImportChange = Schemas["ImportChange"];
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
export type Keyword = Schemas["KeywordOut"];
export type Reading = Schemas["ReadingOut"];
export type Dashboard = Schemas["Dashboard"];
export type SandboxState = Schemas["SandboxState"];

export type StreamInfo = Schemas["StreamShape"];
export type RelayInfo = Schemas["RelayShape"];
export type Hold = Schemas["HoldShape"];
export type GapCampaign = Schemas["GapCampaign"];
export type EventItem = Schemas["EventShape"];
export type EventInfo = Schemas["EventDetail"];
export type TracedEvent = Schemas["TracedShape"];

export type Group = Schemas["GroupShape"];
export type ParkedEvent = Schemas["ParkedShape"];
export type DeadLetter = Schemas["DeadLetter"];
export type DeadLetterCause = Schemas["DeadLetterCause"];
export type DeadLetterDetail = Schemas["DeadLetterDetail"];
/** Letters named one by one or by filter; `{}` as a filter is every open one. */
export type LetterFilter = Pick<Schemas["RedriveIn"], "ids" | "filter">;
export type RedriveInput = Schemas["RedriveIn"];
export type DiscardInput = Schemas["DiscardIn"];
export type ReplayInput = Schemas["ReplayIn"];
/** A replay as lists give it: one that exists. (A dry run answers with the same shape and no id.) */
export type Replay = Required<Omit<Schemas["ReplayShape"], "id" | "status" | "requested_at">> & { id: string; status: NonNullable<Schemas["ReplayShape"]["status"]>; requested_at: string };

export type Flag = Schemas["FlagShape"];
export type FlagKind = Flag["type"];
export type FlagServe = Schemas["FlagServe"];
export type FlagRule = Schemas["FlagRule"];
export type FlagConstraint = Schemas["FlagConstraint"];
export type FlagFields = Schemas["FlagFields"];
export type FlagChange = Schemas["FlagChangeShape"];
export type FlagEvaluation = Schemas["FlagEvaluationShape"];

export type Alert = Schemas["AlertShape"];
export type AlertRule = Schemas["AlertRule"];
export type AlertState = Alert["state"];
export type Health = Schemas["Health"];
export type HealthCheck = Schemas["HealthCheck"];
export type HealthStatus = HealthCheck["status"];

/** What became of the events of one stage; `imbalance` is 0, or how many it cannot account for. */
export interface Stage {
  accepted: number;
  delivered: number;
  conflated: number;
  /** By "reason/category". */
  dropped: Record<string, number>;
  dead_lettered: number;
  pending: number;
  imbalance: number;
}
export type MonitoringFigures = Omit<Schemas["Figures"], "accounting"> & { accounting: Record<string, Stage> };
export type PersisterFigures = Schemas["PersisterShape"];
/** `by_rule`: how often each rule was asked and kept; the rate is null before the first event. */
export type ValidationFigures = Omit<Schemas["ValidationFigures"], "by_rule"> & { by_rule: Record<string, { checked: number; passed: number; failed: number; pass_rate: number | null }> };
export type FlushResult = Schemas["FlushResult"];
export type HoldOnPart = Schemas["HoldOnPart"];
export type Breaker = Schemas["BreakerShape"];
export type BreakerProcess = Schemas["BreakerProcess"];
export type Pool = Schemas["PoolShape"];
