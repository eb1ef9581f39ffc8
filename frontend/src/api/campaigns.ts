import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, ifMatch, unwrap } from "./client";
import type { Campaign, CampaignInput, CampaignStatus, MessageStatus } from "./types";

export interface CampaignFilters {
  status?: CampaignStatus;
  search?: string;
}
export interface RecipientFilters {
  status?: MessageStatus;
  reason?: string;
  error_code?: number;
  search?: string;
}

/** Lists take several states; a page filters by one. */
const several = <T>(one?: T): T[] | undefined => (one === undefined ? undefined : [one]);
const at = (id: string) => ({ params: { path: { campaign_id: id } } });

export const campaignsQuery = (filters: CampaignFilters = {}) =>
  infiniteQueryOptions({
    queryKey: ["campaigns", "list", filters],
    queryFn: ({ pageParam, signal }) =>
      unwrap(client.GET("/api/v1/campaigns", { params: { query: { ...filters, status: several(filters.status), limit: 50, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const campaignQuery = (id: string) =>
  queryOptions({
    queryKey: ["campaigns", "detail", id],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/campaigns/{campaign_id}", { ...at(id), signal })),
  });

export const summaryQuery = (id: string) =>
  queryOptions({
    queryKey: ["campaigns", "summary", id],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/reporting/campaigns/{campaign_id}/summary", { ...at(id), signal })),
    // Standing still pushes nothing: while it runs, the page asks now and then whether it still moves.
    refetchInterval: (query) => (query.state.data?.campaign.status === "running" ? 8000 : false),
  });

export const recipientsQuery = (id: string, filters: RecipientFilters) =>
  infiniteQueryOptions({
    queryKey: ["campaigns", "recipients", id, filters],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/reporting/campaigns/{campaign_id}/recipients", {
          params: { path: { campaign_id: id }, query: { ...filters, status: several(filters.status), limit: 100, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const messageQuery = (id: string) =>
  queryOptions({
    queryKey: ["messages", id],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/messages/{message_id}", { params: { path: { message_id: id } }, signal })),
  });

export const preflightQuery = (id: string, version: number) =>
  queryOptions({
    queryKey: ["campaigns", "preflight", id, version],
    queryFn: ({ signal }) => unwrap(client.POST("/api/v1/campaigns/{campaign_id}/preflight", { ...at(id), signal })),
    retry: false,
    staleTime: 10_000,
  });

export const createCampaign = (body: CampaignInput) => unwrap(client.POST("/api/v1/campaigns", { body }));
export const updateCampaign = (campaign: Campaign, body: CampaignInput) =>
  unwrap(client.PATCH("/api/v1/campaigns/{campaign_id}", { ...at(campaign.id), headers: ifMatch(campaign.version), body }));
export const deleteCampaign = (id: string) => unwrap(client.DELETE("/api/v1/campaigns/{campaign_id}", at(id)));
export const launchCampaign = (id: string) => unwrap(client.POST("/api/v1/campaigns/{campaign_id}/launch", at(id)));
export const scheduleCampaign = (id: string, when: string) =>
  unwrap(client.POST("/api/v1/campaigns/{campaign_id}/schedule", { ...at(id), body: { at: when } }));
export const unscheduleCampaign = (id: string) => unwrap(client.POST("/api/v1/campaigns/{campaign_id}/unschedule", at(id)));
export const pauseCampaign = (id: string) => unwrap(client.POST("/api/v1/campaigns/{campaign_id}/pause", at(id)));
export const resumeCampaign = (id: string) => unwrap(client.POST("/api/v1/campaigns/{campaign_id}/resume", at(id)));
export const cancelCampaign = (id: string) => unwrap(client.POST("/api/v1/campaigns/{campaign_id}/cancel", at(id)));
export const testSend = (id: string, phone: string) =>
  unwrap(client.POST("/api/v1/campaigns/{campaign_id}/test-send", { ...at(id), body: { phone } }));
