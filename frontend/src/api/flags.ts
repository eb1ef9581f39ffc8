import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, ifMatch, unwrap } from "./client";
import type { Flag, FlagFields, FlagKind } from "./types";

export interface FlagFilters {
  search?: string;
  state?: Flag["state"];
}

const FLAGS = "/api/v1/flags";
const LOOK_EVERY_MS = 10_000;
const named = (name: string) => ({ params: { path: { name } } });

export const flagsQuery = () => queryOptions({ queryKey: ["flags", "list"], queryFn: ({ signal }) => unwrap(client.GET(FLAGS, { signal })), refetchInterval: LOOK_EVERY_MS });

export const flagQuery = (name: string) => queryOptions({ queryKey: ["flags", "detail", name], queryFn: ({ signal }) => unwrap(client.GET(`${FLAGS}/{name}`, { ...named(name), signal })) });

/** Whether what is kept is in force: asked of the process that answers. */
export const flagsHealthQuery = () => queryOptions({ queryKey: ["flags", "health"], queryFn: ({ signal }) => unwrap(client.GET("/health/flags", { signal })), refetchInterval: LOOK_EVERY_MS });

export const flagHistoryQuery = (name: string, span: { since?: string; until?: string }) =>
  infiniteQueryOptions({
    queryKey: ["flags", "history", name, span],
    queryFn: ({ pageParam, signal }) => unwrap(client.GET(`${FLAGS}/{name}/history`, { params: { path: { name }, query: { ...span, limit: 20, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** Version 0: only if there is no flag of that name yet. */
export const createFlag = (name: string, type: FlagKind, value: unknown, description: string, reason: string) =>
  unwrap(client.PUT(`${FLAGS}/{name}`, { ...named(name), headers: ifMatch(0), body: { type, value, description, reason } }));
export const changeFlag = (flag: Flag, fields: FlagFields, reason: string) =>
  unwrap(client.PATCH(`${FLAGS}/{name}`, { ...named(flag.name), headers: ifMatch(flag.version), body: { ...fields, reason } }));
export const killFlag = (name: string, reason: string) => unwrap(client.POST(`${FLAGS}/{name}/kill`, { ...named(name), body: { reason } }));
export const rollBackFlag = (flag: Flag, version: number, reason: string) =>
  unwrap(client.POST(`${FLAGS}/{name}/rollback`, { ...named(flag.name), headers: ifMatch(flag.version), body: { version, reason } }));
export const removeFlag = (flag: Flag, reason: string) =>
  unwrap(client.DELETE(`${FLAGS}/{name}`, { params: { path: { name: flag.name }, query: { reason } }, headers: ifMatch(flag.version) }));
export const tryContext = (name: string, context: Record<string, unknown>) => unwrap(client.POST(`${FLAGS}/evaluate`, { body: { names: [name], context } }));
