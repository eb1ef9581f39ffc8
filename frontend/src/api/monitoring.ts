import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";
import type { Category } from "../realtime/frames";
import type { MonitoringFigures, SandboxState, ValidationFigures } from "./types";

const LOOK_EVERY_MS = 5000; // neither counters nor orders are pushed

export const dashboardQuery = () =>
  queryOptions({
    queryKey: ["dashboard"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/monitoring/dashboard", { signal })),
    refetchInterval: 15_000, // a process that died pushes nothing
  });

/** What operators hold open or have paused. Asked for on every page: another person, or the command line, may do it. */
export const holdsQuery = () =>
  queryOptions({ queryKey: ["monitoring", "holds"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/monitoring/holds", { signal })), refetchInterval: LOOK_EVERY_MS });

/** A server without a sandbox may not know the address at all; that is the same as "not active". */
export const sandboxQuery = () =>
  queryOptions({
    queryKey: ["sandbox"],
    queryFn: async ({ signal }): Promise<SandboxState> => {
      const { data, response } = await client.GET("/api/v1/sandbox", { signal });
      return response.ok ? data! : { active: false, url: null };
    },
    staleTime: Infinity,
    retry: false,
  });

export const injectInbound = (body: { from: string; to: string; body: string }) =>
  unwrap(client.POST("/api/v1/sandbox/inbound", { body }));

export interface MonitoringFilters {
  category?: Category;
  search?: string;
}

/** So many pages of 50 are read at most. */
export const ERROR_PAGES_MAX = 20;

export const figuresQuery = () =>
  queryOptions({
    queryKey: ["monitoring", "figures"],
    queryFn: ({ signal }) => unwrap(client.GET("/metrics/adapter", { signal })).then((figures) => figures as unknown as MonitoringFigures),
    refetchInterval: LOOK_EVERY_MS,
  });

export const validationQuery = () =>
  queryOptions({
    queryKey: ["monitoring", "validation"],
    queryFn: ({ signal }) => unwrap(client.GET("/metrics/validation", { signal })).then((figures) => figures as unknown as ValidationFigures),
    refetchInterval: LOOK_EVERY_MS,
  });

export const breakersQuery = () =>
  queryOptions({ queryKey: ["monitoring", "breakers"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/monitoring/breakers", { signal })), refetchInterval: LOOK_EVERY_MS });

/** Critical events as they were written, the newest first: also those of last night. */
export const errorsQuery = () =>
  infiniteQueryOptions({
    queryKey: ["monitoring", "errors"],
    queryFn: ({ pageParam, signal }) => unwrap(client.GET("/api/v1/monitoring/events", { params: { query: { category: "critical", limit: 50, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page, pages) => (pages.length < ERROR_PAGES_MAX ? (page.next_cursor ?? undefined) : undefined),
  });

const order = (name: string, reason: string) => ({ params: { path: { name } }, body: { process: "" as const, reason } });

export const flushMetrics = () => unwrap(client.POST("/metrics/flush"));
export const openBreaker = (name: string, reason: string) => unwrap(client.POST("/api/v1/monitoring/breakers/{name}/open", order(name, reason)));
export const resetBreaker = (name: string) => unwrap(client.POST("/api/v1/monitoring/breakers/{name}/reset", order(name, "")));
