import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";
import type { AccountInput, ApiKeyInput, Role } from "./types";

const ACCOUNTS = "/api/v1/accounts";
const KEYS = "/api/v1/api-keys";
const AUDIT = "/api/v1/audit";
const HOUR_MS = 3_600_000;

export const accountsQuery = () =>
  infiniteQueryOptions({
    queryKey: ["accounts", "list"],
    queryFn: ({ pageParam, signal }) => unwrap(client.GET(ACCOUNTS, { params: { query: { limit: 50, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
export const rolesQuery = () => queryOptions({ queryKey: ["accounts", "roles"], queryFn: ({ signal }) => unwrap(client.GET(`${ACCOUNTS}/roles`, { signal })), staleTime: HOUR_MS });
export const addAccount = (body: AccountInput) => unwrap(client.POST(ACCOUNTS, { body }));
const one = (id: string) => ({ params: { path: { account_id: id } } });
export const changeRole = (id: string, role: Role) => unwrap(client.PUT(`${ACCOUNTS}/{account_id}/role`, { ...one(id), body: { role } }));
export const disableAccount = (id: string) => unwrap(client.POST(`${ACCOUNTS}/{account_id}/disable`, one(id)));
export const enableAccount = (id: string) => unwrap(client.POST(`${ACCOUNTS}/{account_id}/enable`, one(id)));
export const accountSessionsQuery = (id: string) => queryOptions({ queryKey: ["accounts", id, "sessions"], queryFn: ({ signal }) => unwrap(client.GET(`${ACCOUNTS}/{account_id}/sessions`, { ...one(id), signal })) });
export const endAccountSessions = (id: string) => unwrap(client.DELETE(`${ACCOUNTS}/{account_id}/sessions`, one(id)));
export const endAccountSession = (id: string, sessionId: string) => unwrap(client.DELETE(`${ACCOUNTS}/{account_id}/sessions/{session_id}`, { params: { path: { account_id: id, session_id: sessionId } } }));
export const resetTwoStep = (id: string) => unwrap(client.POST(`${ACCOUNTS}/{account_id}/two-step/reset`, one(id)));

/** Of one account; without an id the signed-in person's own. */
export const keysQuery = (accountId?: string) =>
  infiniteQueryOptions({
    queryKey: ["api-keys", accountId ?? "own"],
    queryFn: ({ pageParam, signal }) => unwrap(client.GET(KEYS, { params: { query: { account_id: accountId, limit: 50, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
export const makeKey = (body: ApiKeyInput) => unwrap(client.POST(KEYS, { body }));
export const revokeKey = (id: string) => unwrap(client.DELETE(`${KEYS}/{key_id}`, { params: { path: { key_id: id } } }));

export interface AuditFilters {
  actor_id?: string;
  key_id?: string;
  action?: string;
  entity_id?: string;
  since?: string;
  until?: string;
}

export const auditQuery = (filters: AuditFilters) =>
  infiniteQueryOptions({
    queryKey: ["audit", "list", filters],
    queryFn: ({ pageParam, signal }) => unwrap(client.GET(AUDIT, { params: { query: { ...filters, limit: 50, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
export const auditActionsQuery = () => queryOptions({ queryKey: ["audit", "actions"], queryFn: ({ signal }) => unwrap(client.GET(`${AUDIT}/actions`, { signal })) });
export const verifyAudit = () => unwrap(client.GET(`${AUDIT}/verification`, {}));
