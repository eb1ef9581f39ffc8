import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, ifMatch, unwrap } from "./client";
import type { Consent, Contact, ContactInput, ContactPatch } from "./types";

export interface ContactFilters {
  search?: string;
  consent?: Consent;
  topic?: string;
  segment_id?: string;
  sort?: "created_at" | "-created_at" | "phone";
}

export const contactsQuery = (filters: ContactFilters) =>
  infiniteQueryOptions({
    queryKey: ["contacts", "list", filters],
    queryFn: ({ pageParam, signal }) =>
      unwrap(client.GET("/api/v1/contacts", { params: { query: { ...filters, limit: 100, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const contactQuery = (id: string) =>
  queryOptions({
    queryKey: ["contacts", "detail", id],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/contacts/{contact_id}", { params: { path: { contact_id: id } }, signal })),
  });

export const timelineQuery = (id: string) =>
  queryOptions({
    queryKey: ["contacts", "timeline", id],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/contacts/{contact_id}/timeline", { params: { path: { contact_id: id } }, signal })),
  });

export const attributesQuery = () =>
  queryOptions({
    queryKey: ["contacts", "attributes"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/contacts/attributes", { signal })),
    staleTime: 60_000,
  });

/** A handful of contacts for a picker, matched by phone or attribute. */
export const contactPickerQuery = (search: string, consent?: Consent) =>
  queryOptions({
    queryKey: ["contacts", "picker", search, consent],
    queryFn: ({ signal }) =>
      unwrap(client.GET("/api/v1/contacts", { params: { query: { search: search || undefined, consent, limit: 12 } }, signal })),
    staleTime: 30_000,
  });

export const createContact = (body: ContactInput) => unwrap(client.POST("/api/v1/contacts", { body }));

export const updateContact = (contact: Pick<Contact, "id" | "version">, body: ContactPatch) =>
  unwrap(client.PATCH("/api/v1/contacts/{contact_id}", { params: { path: { contact_id: contact.id } }, headers: ifMatch(contact.version), body }));

export const deleteContact = (id: string) => unwrap(client.DELETE("/api/v1/contacts/{contact_id}", { params: { path: { contact_id: id } } }));
