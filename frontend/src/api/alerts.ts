import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";
import { problemFrom } from "./problem";
import type { AlertState, Health } from "./types";

const ALERTS = "/api/v1/alerts";
const one = (id: string) => ({ params: { path: { alert_id: id } } });

/** What fires is pushed; where the relay itself is what fails, asking now and then still finds out. */
const LOOK_EVERY_MS = 30_000;
const HEALTH_EVERY_MS = 5000;
export const OPEN: AlertState[] = ["firing", "acknowledged", "silenced", "inhibited"];

export const alertSummaryQuery = () => queryOptions({ queryKey: ["alerts", "summary"], queryFn: ({ signal }) => unwrap(client.GET(`${ALERTS}/summary`, { signal })), refetchInterval: LOOK_EVERY_MS });

export const openAlertsQuery = () =>
  queryOptions({ queryKey: ["alerts", "open"], queryFn: ({ signal }) => unwrap(client.GET(ALERTS, { params: { query: { state: OPEN, limit: 200 } }, signal })), refetchInterval: LOOK_EVERY_MS });

export const pastAlertsQuery = () =>
  infiniteQueryOptions({
    queryKey: ["alerts", "past"],
    queryFn: ({ pageParam, signal }) => unwrap(client.GET(ALERTS, { params: { query: { state: ["resolved"], limit: 20, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const runbookQuery = (name: string) => queryOptions({ queryKey: ["runbooks", name], queryFn: ({ signal }) => unwrap(client.GET(`${ALERTS}/rules/{name}/runbook`, { params: { path: { name } }, signal })), staleTime: Infinity });
export const alertRulesQuery = () => queryOptions({ queryKey: ["alerts", "rules"], queryFn: ({ signal }) => unwrap(client.GET(`${ALERTS}/rules`, { signal })), refetchInterval: LOOK_EVERY_MS });

export const seeAlerts = () => unwrap(client.POST(`${ALERTS}/seen`, {}));
export const acknowledgeAlert = (id: string) => unwrap(client.POST(`${ALERTS}/{alert_id}/acknowledge`, one(id)));
export const silenceAlert = (id: string, reason: string, endsAt: Date) => unwrap(client.POST(`${ALERTS}/{alert_id}/silence`, { ...one(id), body: { reason, ends_at: endsAt.toISOString() } }));
export const endSilence = (id: string) => unwrap(client.DELETE(`${ALERTS}/{alert_id}/silence`, one(id)));

const rule = (name: string) => ({ params: { path: { name } } });
export const silenceRule = (name: string, reason: string, endsAt: Date) => unwrap(client.POST(`${ALERTS}/rules/{name}/silence`, { ...rule(name), body: { reason, ends_at: endsAt.toISOString() } }));
export const endRuleSilence = (name: string) => unwrap(client.DELETE(`${ALERTS}/rules/{name}/silence`, rule(name)));

/** A platform that fails answers 503, and says with it what fails: that is an answer. */
export const healthQuery = () =>
  queryOptions({
    queryKey: ["health"],
    queryFn: async ({ signal }): Promise<Health> => {
      const { data, error, response } = await client.GET("/health", { signal });
      const found = (data ?? error) as Health | undefined;
      if (found?.checks === undefined) throw problemFrom(response.status, error, response.headers);
      return found;
    },
    refetchInterval: HEALTH_EVERY_MS,
  });
