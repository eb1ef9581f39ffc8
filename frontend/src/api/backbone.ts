import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";
import type { DiscardInput, Page, RedriveInput, Replay, ReplayInput } from "./types";

export interface EventFilters {
  stream?: string;
  type?: string;
  key?: string;
}

export interface LetterFilters extends EventFilters {
  group?: string;
  status?: "open" | "redriven" | "discarded";
  search?: string;
  /** As the list of causes names it. */
  cause?: string;
}

const BACKBONE = "/api/v1/backbone";

/** Nothing is pushed about the machine itself: these pages ask every few seconds while they are looked at. */
const LOOK_EVERY_MS = 5000;
const PAGES_LOOKED_AT = 3; // further down a list stays as it was read

export const streamsQuery = () =>
  queryOptions({ queryKey: ["backbone", "streams"], queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/streams`, { signal })), refetchInterval: LOOK_EVERY_MS });

export const relayQuery = () =>
  queryOptions({ queryKey: ["backbone", "relay"], queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/relay`, { signal })), refetchInterval: LOOK_EVERY_MS });

export const groupsQuery = () =>
  queryOptions({ queryKey: ["backbone", "groups"], queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/groups`, { signal })), refetchInterval: LOOK_EVERY_MS });

export const parkedQuery = (group: string) =>
  queryOptions({
    queryKey: ["backbone", "parked", group],
    queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/groups/{group}/parked`, { params: { path: { group }, query: { limit: 100 } }, signal })),
    refetchInterval: LOOK_EVERY_MS,
  });

export const eventsQuery = (filters: EventFilters) =>
  queryOptions({
    queryKey: ["backbone", "events", filters],
    queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/events`, { params: { query: { ...filters, limit: 100 } }, signal })),
    retry: false,
  });

export const eventQuery = (id: string) =>
  queryOptions({ queryKey: ["backbone", "event", id], queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/events/{event_id}`, { params: { path: { event_id: id } }, signal })) });

export const traceQuery = (id: string) =>
  queryOptions({ queryKey: ["backbone", "trace", id], queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/events/{event_id}/trace`, { params: { path: { event_id: id } }, signal })) });

export const lettersQuery = (filters: LetterFilters) =>
  infiniteQueryOptions({
    queryKey: ["backbone", "letters", filters],
    queryFn: ({ pageParam, signal }) => unwrap(client.GET(`${BACKBONE}/dead-letters`, { params: { query: { ...filters, limit: 100, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: (query) => ((query.state.data?.pages.length ?? 0) <= PAGES_LOOKED_AT ? LOOK_EVERY_MS : false),
  });

/** The letters by what they died of. */
export const causesQuery = (filters: Omit<LetterFilters, "cause">) =>
  queryOptions({
    queryKey: ["backbone", "causes", filters],
    queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/dead-letters/causes`, { params: { query: filters }, signal })),
    refetchInterval: LOOK_EVERY_MS,
  });

export const letterQuery = (id: string) =>
  queryOptions({ queryKey: ["backbone", "letter", id], queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/dead-letters/{letter_id}`, { params: { path: { letter_id: id } }, signal })) });

export const replaysQuery = () =>
  queryOptions({
    queryKey: ["backbone", "replays"],
    queryFn: ({ signal }) => unwrap(client.GET(`${BACKBONE}/replays`, { params: { query: { limit: 100 } }, signal })).then((page) => page as Page<Replay>),
    refetchInterval: (query) => (query.state.data?.items.some((replay) => replay.status === "pending" || replay.status === "running") ? 1500 : LOOK_EVERY_MS * 2),
  });

const named = (group: string) => ({ params: { path: { group } } });

export const pauseGroup = (group: string, reason: string) => unwrap(client.POST(`${BACKBONE}/groups/{group}/pause`, { ...named(group), body: { reason } }));
export const resumeGroup = (group: string) => unwrap(client.POST(`${BACKBONE}/groups/{group}/resume`, named(group)));
export const retryParked = (group: string) => unwrap(client.POST(`${BACKBONE}/groups/{group}/parked/retry`, named(group)));
export const redrive = (body: RedriveInput) => unwrap(client.POST(`${BACKBONE}/dead-letters/redrive`, { body }));
export const discard = (body: DiscardInput) => unwrap(client.POST(`${BACKBONE}/dead-letters/discard`, { body }));
export const startReplay = (body: ReplayInput) => unwrap(client.POST(`${BACKBONE}/replays`, { body }));
export const cancelReplay = (id: string) => unwrap(client.POST(`${BACKBONE}/replays/{replay_id}/cancel`, { params: { path: { replay_id: id } } }));
