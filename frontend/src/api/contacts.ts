import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, ifMatch, unwrap } from "./client";
import type { AttributeInfo, Contact, ContactInput, Page, TimelineEntry } from "./types";

export interface ContactFilters {
  search?: string;
  consent?: string;
  topic?: string;
  segment_id?: string;
  sort?: string;
}

export const contactsQuery = (filters: ContactFilters) =>
  infiniteQueryOptions({
    queryKey: ["contacts", "list", filters],
    queryFn: ({ pageParam, signal }) =>
      unwrap<Page<Contact>>(client.GET("/api/v1/contacts", { params: { query: { ...filters, limit: 100, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const contactQuery = (id: string) =>
  queryOptions({
    queryKey: ["contacts", "detail", id],
    queryFn: ({ signal }) => unwrap<Contact>(client.GET("/api/v1/contacts/{contact_id}", { params: { path: { contact_id: id } }, signal })),
  });

export const timelineQuery = (id: string) =>
  queryOptions({
    queryKey: ["contacts", "timeline", id],
    queryFn: ({ signal }) =>
      unwrap<{ items: TimelineEntry[] }>(client.GET("/api/v1/contacts/{contact_id}/timeline", { params: { path: { contact_id: id } }, signal })),
  });

export const attributesQuery = () =>
  queryOptions({
    queryKey: ["contacts", "attributes"],
    queryFn: ({ signal }) => unwrap<{ items: AttributeInfo[] }>(client.GET("/api/v1/contacts/attributes", { signal })),
    staleTime: 60_000,
  });

/** A handful of contacts for a picker, matched by phone or attribute. */
export const contactPickerQuery = (search: string) =>
  queryOptions({
    queryKey: ["contacts", "picker", search],
    queryFn: ({ signal }) =>
      unwrap<Page<Contact>>(client.GET("/api/v1/contacts", { params: { query: { search: search || undefined, limit: 12 } }, signal })),
    staleTime: 30_000,
  });

export const createContact = (body: ContactInput) => unwrap<Contact>(client.POST("/api/v1/contacts", { body }));

export const updateContact = (contact: Pick<Contact, "id" | "version">, body: Partial<ContactInput>) =>
  unwrap<Contact>(client.PATCH("/api/v1/contacts/{contact_id}", { params: { path: { contact_id: contact.id } }, headers: ifMatch(contact.version), body }));

export const deleteContact = (id: string) => unwrap<void>(client.DELETE("/api/v1/contacts/{contact_id}", { params: { path: { contact_id: id } } }));
