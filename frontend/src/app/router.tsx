import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import type { AuditFilters } from "../api/access";
import type { EventFilters, LetterFilters } from "../api/backbone";
import type { CampaignFilters, RecipientFilters } from "../api/campaigns";
import type { ContactFilters } from "../api/contacts";
import type { FlagFilters } from "../api/flags";
import type { MonitoringFilters } from "../api/monitoring";
import type { InboundFilters } from "../api/inbound";
import { categories } from "../realtime/frames";
import { oneOf, str, whole, type Raw } from "./search";
import { Shell } from "./shell";
import { NotFound, RouteError } from "./errors";

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: RouteError });

const overview = createRoute({ getParentRoute: () => root, path: "/", component: lazyRouteComponent(() => import("../features/overview/page")) });

export const inboundRoute = createRoute({
  getParentRoute: () => root,
  path: "/inbound",
  validateSearch: (raw: Raw): InboundFilters => ({
    kind: oneOf(raw.kind, ["stop", "start", "help", "text", "media", "empty"]),
    review: oneOf(raw.review, ["open"]),
    search: str(raw.search),
  }),
  component: lazyRouteComponent(() => import("../features/inbound/page")),
});

const alerts = createRoute({ getParentRoute: () => root, path: "/alerts", component: lazyRouteComponent(() => import("../features/alerts/page")) });
export const runbookRoute = createRoute({ getParentRoute: () => root, path: "/alerts/runbooks/$rule", component: lazyRouteComponent(() => import("../features/alerts/runbook")) });

export const contactsRoute = createRoute({
  getParentRoute: () => root,
  path: "/contacts",
  validateSearch: (raw: Raw): ContactFilters => ({
    search: str(raw.search),
    consent: oneOf(raw.consent, ["opted_in", "opted_out", "stopped", "unknown"]),
    topic: str(raw.topic),
    segment_id: str(raw.segment_id),
    sort: oneOf(raw.sort, ["created_at", "-created_at", "phone"]),
  }),
  component: lazyRouteComponent(() => import("../features/contacts/page")),
});
export const contactRoute = createRoute({ getParentRoute: () => root, path: "/contacts/$contactId", component: lazyRouteComponent(() => import("../features/contacts/detail")) });

const imports = createRoute({ getParentRoute: () => root, path: "/imports", component: lazyRouteComponent(() => import("../features/imports/page")) });
export const importRoute = createRoute({ getParentRoute: () => root, path: "/imports/$importId", component: lazyRouteComponent(() => import("../features/imports/detail")) });

const segments = createRoute({ getParentRoute: () => root, path: "/segments", component: lazyRouteComponent(() => import("../features/segments/page")) });
export const segmentRoute = createRoute({ getParentRoute: () => root, path: "/segments/$segmentId", component: lazyRouteComponent(() => import("../features/segments/builder")) });

const templates = createRoute({ getParentRoute: () => root, path: "/templates", component: lazyRouteComponent(() => import("../features/templates/page")) });
export const templateRoute = createRoute({ getParentRoute: () => root, path: "/templates/$templateId", component: lazyRouteComponent(() => import("../features/templates/editor")) });

export const campaignsRoute = createRoute({
  getParentRoute: () => root,
  path: "/campaigns",
  validateSearch: (raw: Raw): CampaignFilters => ({
    status: oneOf(raw.status, ["draft", "scheduled", "running", "paused", "completed", "canceled"]),
    search: str(raw.search),
  }),
  component: lazyRouteComponent(() => import("../features/campaigns/page")),
});
export const builderRoute = createRoute({
  getParentRoute: () => root,
  path: "/campaigns/$campaignId/edit",
  validateSearch: (raw: Raw): { step?: "audience" | "template" | "delivery" | "review" } => ({ step: oneOf(raw.step, ["audience", "template", "delivery", "review"]) }),
  component: lazyRouteComponent(() => import("../features/campaigns/builder")),
});
const newCampaign = createRoute({
  getParentRoute: () => root,
  path: "/campaigns/new",
  beforeLoad: () => {
    throw redirect({ to: "/campaigns/$campaignId/edit", params: { campaignId: "new" } });
  },
});
export const campaignRoute = createRoute({
  getParentRoute: () => root,
  path: "/campaigns/$campaignId",
  validateSearch: (raw: Raw): RecipientFilters => ({
    status: oneOf(raw.status, ["queued", "deferred", "sending", "unknown", "accepted", "sent", "delivered", "read", "undelivered", "failed", "refused", "canceled"]),
    reason: str(raw.reason),
    error_code: whole(raw.error_code),
    search: str(raw.search),
  }),
  component: lazyRouteComponent(() => import("../features/campaigns/report")),
});

const senders = createRoute({ getParentRoute: () => root, path: "/senders", component: lazyRouteComponent(() => import("../features/senders/page")) });
export const flagsRoute = createRoute({
  getParentRoute: () => root,
  path: "/flags",
  validateSearch: (raw: Raw): FlagFilters => ({ search: str(raw.search), state: oneOf(raw.state, ["on", "disabled", "killed"]) }),
  component: lazyRouteComponent(() => import("../features/flags/page")),
});
export const flagRoute = createRoute({ getParentRoute: () => root, path: "/flags/$flagName", component: lazyRouteComponent(() => import("../features/flags/detail")) });
const accounts = createRoute({ getParentRoute: () => root, path: "/accounts", component: lazyRouteComponent(() => import("../features/accounts/page")) });
export const accountRoute = createRoute({ getParentRoute: () => root, path: "/accounts/$accountId", component: lazyRouteComponent(() => import("../features/accounts/detail")) });
export const auditRoute = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  validateSearch: (raw: Raw): AuditFilters => ({ actor_id: str(raw.actor_id), key_id: str(raw.key_id), action: str(raw.action), entity_id: str(raw.entity_id), since: str(raw.since), until: str(raw.until) }),
  component: lazyRouteComponent(() => import("../features/audit/page")),
});
const apiKeys = createRoute({ getParentRoute: () => root, path: "/settings/api-keys", component: lazyRouteComponent(() => import("../features/accounts/api-keys")) });
const optOutKeywords = createRoute({ getParentRoute: () => root, path: "/settings/opt-out-keywords", component: lazyRouteComponent(() => import("../features/inbound/keywords")) });
const settings = createRoute({ getParentRoute: () => root, path: "/settings", component: lazyRouteComponent(() => import("../features/settings/page")) });

const profile = createRoute({ getParentRoute: () => root, path: "/profile", component: lazyRouteComponent(() => import("../features/profile/page")) });

const streamsFrame = createRoute({ getParentRoute: () => root, id: "streams-frame", component: lazyRouteComponent(() => import("../features/streams/frame")) });
const within = <T extends string>(path: T) => ({ getParentRoute: () => streamsFrame, path });
const streams = createRoute({ ...within("/streams"), component: lazyRouteComponent(() => import("../features/streams/page")) });
const groups = createRoute({ ...within("/streams/groups"), component: lazyRouteComponent(() => import("../features/streams/groups")) });
const tail = createRoute({
  ...within("/streams/tail"),
  validateSearch: (raw: Raw): EventFilters => ({ stream: str(raw.stream), type: str(raw.type), key: str(raw.key) }),
  component: lazyRouteComponent(() => import("../features/streams/tail")),
});
const deadLetters = createRoute({
  ...within("/streams/dead-letters"),
  validateSearch: (raw: Raw): LetterFilters & { letter?: string } => ({
    group: str(raw.group),
    type: str(raw.type),
    key: str(raw.key),
    search: str(raw.search),
    cause: str(raw.cause),
    status: oneOf(raw.status, ["open", "redriven", "discarded"]),
    letter: str(raw.letter),
  }),
  component: lazyRouteComponent(() => import("../features/streams/dead-letters")),
});
const replays = createRoute({ ...within("/streams/replays"), component: lazyRouteComponent(() => import("../features/streams/replays")) });
export const monitoringRoute = createRoute({
  getParentRoute: () => root,
  path: "/monitoring",
  validateSearch: (raw: Raw): MonitoringFilters => ({ category: oneOf(raw.category, categories), search: str(raw.search) }),
  component: lazyRouteComponent(() => import("../features/monitoring/page")),
});
const event = createRoute({ getParentRoute: () => root, path: "/streams/events/$eventId", component: lazyRouteComponent(() => import("../features/streams/event")) });

export const router = createRouter({
  routeTree: root.addChildren([
    overview, inboundRoute, alerts, runbookRoute, contactsRoute, contactRoute, imports, importRoute, segments, segmentRoute, templates, templateRoute,
    campaignsRoute, newCampaign, builderRoute, campaignRoute, senders, flagsRoute, flagRoute, accounts, accountRoute, auditRoute, apiKeys, optOutKeywords, settings, profile,
    streamsFrame.addChildren([streams, groups, tail, deadLetters, replays]), event, monitoringRoute,
  ]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
