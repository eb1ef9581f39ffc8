import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";
import type { Inbound, InboundKind } from "./types";

export interface InboundFilters {
  kind?: InboundKind;
  review?: "open";
  search?: string;
}

export const inboundQuery = (filters: InboundFilters) =>
  infiniteQueryOptions({
    queryKey: ["inbound", filters],
    queryFn: ({ pageParam, signal }) =>
      unwrap(client.GET("/api/v1/monitoring/inbound", { params: { query: { ...filters, kind: filters.kind && [filters.kind], limit: 50, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** Up to when what people write is known, for each sender; the worker asks Twilio every 30 seconds. */
export const listingsQuery = () =>
  queryOptions({
    queryKey: ["inbound-listings"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/monitoring/inbound/listings", { signal })),
    refetchInterval: 30_000,
  });

export type Decision = "opt_out" | "not_opt_out";

export const reviewInbound = (id: string, decision: Decision): Promise<Inbound> =>
  unwrap(client.POST("/api/v1/inbound/{inbound_id}/review", { params: { path: { inbound_id: id } }, body: { decision } }));

export const keywordsQuery = () =>
  queryOptions({ queryKey: ["opt-out-keywords"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/opt-out-keywords", { signal })) });

export const addKeyword = (word: string) => unwrap(client.PUT("/api/v1/opt-out-keywords/{word}", { params: { path: { word } } }));
export const removeKeyword = (word: string) => unwrap(client.DELETE("/api/v1/opt-out-keywords/{word}", { params: { path: { word } } }));

export const readingQuery = (text: string) =>
  queryOptions({
    queryKey: ["opt-out-keywords", "try", text],
    queryFn: ({ signal }) => unwrap(client.POST("/api/v1/opt-out-keywords/try", { body: { text }, signal })),
    enabled: text.trim() !== "",
    staleTime: 5_000,
  });
