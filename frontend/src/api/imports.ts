import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client, unwrap, upload } from "./client";
import type { Import, ImportStart } from "./types";

export const importsQuery = () =>
  infiniteQueryOptions({
    queryKey: ["imports", "list"],
    queryFn: ({ pageParam, signal }) => unwrap(client.GET("/api/v1/imports", { params: { query: { limit: 50, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

const at = (id: string) => ({ params: { path: { import_id: id } } });

export const importQuery = (id: string) =>
  queryOptions({
    queryKey: ["imports", "detail", id],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/imports/{import_id}", { ...at(id), signal })),
  });

export const importPreviewQuery = (id: string) =>
  queryOptions({
    queryKey: ["imports", "preview", id],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/imports/{import_id}/preview", { ...at(id), signal })),
    staleTime: Infinity,
  });

/** `body` is the mapping as JSON text, so that the same mapping is the same question. */
export const consentCountsQuery = (id: string, body: string) =>
  queryOptions({
    queryKey: ["imports", "consent", id, body],
    queryFn: ({ signal }) => unwrap(client.POST("/api/v1/imports/{import_id}/consent", { ...at(id), body: JSON.parse(body) as ImportStart, signal })),
    staleTime: Infinity,
    retry: false,
  });

export const rejectsQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["imports", "rows", id, "rejected"],
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        client.GET("/api/v1/imports/{import_id}/rejects", { params: { path: { import_id: id }, query: { limit: 200, cursor: pageParam } }, signal }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const mergesQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ["imports", "rows", id, "merged"],
    queryFn: ({ pageParam, signal }) =>
      unwrap(client.GET("/api/v1/imports/{import_id}/merges", { params: { path: { import_id: id }, query: { limit: 200, cursor: pageParam } }, signal })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

export const importChangesQuery = (id: string) =>
  queryOptions({
    queryKey: ["imports", "rows", id, "changes"],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/imports/{import_id}/changes", { ...at(id), signal })),
  });

export const uploadImport = (file: File, onProgress: (ratio: number) => void, signal?: AbortSignal) =>
  upload<Import>("/api/v1/imports", file, onProgress, signal);
export const startImport = (id: string, body: ImportStart) => unwrap(client.POST("/api/v1/imports/{import_id}/start", { ...at(id), body }));
export const cancelImport = (id: string) => unwrap(client.DELETE("/api/v1/imports/{import_id}", at(id)));
