import { queryOptions } from "@tanstack/react-query";
import { client, ifMatch, unwrap } from "./client";
import type { Page, Rule, Segment, SegmentInput, Sender, SenderInput, SenderPatch, Template, TemplateInput, TemplatePatch } from "./types";

/** Templates, segments and senders: short lists, read whole (200 is the API's page bound). */
const all = { params: { query: { limit: 200 } } };

export const templatesQuery = () =>
  queryOptions({ queryKey: ["templates", "list"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/templates", { ...all, signal })) });

export const templateQuery = (id: string) =>
  queryOptions({
    queryKey: ["templates", "detail", id],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/templates/{template_id}", { params: { path: { template_id: id } }, signal })),
  });

export const templatePreviewQuery = (body: string, contactId: string | null) =>
  queryOptions({
    queryKey: ["templates", "preview", body, contactId],
    queryFn: ({ signal }) => unwrap(client.POST("/api/v1/templates/preview", { body: { body, contact_id: contactId }, signal })),
    staleTime: 30_000,
    enabled: body.trim() !== "",
  });

export const createTemplate = (body: TemplateInput) => unwrap(client.POST("/api/v1/templates", { body }));
export const updateTemplate = (template: Template, body: TemplatePatch) =>
  unwrap(client.PATCH("/api/v1/templates/{template_id}", { params: { path: { template_id: template.id } }, headers: ifMatch(template.version), body }));
export const deleteTemplate = (id: string) => unwrap(client.DELETE("/api/v1/templates/{template_id}", { params: { path: { template_id: id } } }));

export const segmentsQuery = () =>
  queryOptions({ queryKey: ["segments", "list"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/segments", { ...all, signal })).then((page) => page as Page<Segment>) });

export const segmentQuery = (id: string) =>
  queryOptions({
    queryKey: ["segments", "detail", id],
    queryFn: ({ signal }) => unwrap(client.GET("/api/v1/segments/{segment_id}", { params: { path: { segment_id: id } }, signal })).then((segment) => segment as Segment),
  });

export const evaluationQuery = (definition: Rule, enabled: boolean) =>
  queryOptions({
    queryKey: ["segments", "evaluation", definition],
    queryFn: ({ signal }) => unwrap(client.POST("/api/v1/segments/evaluate", { body: { definition, sample: 20 }, signal })),
    enabled,
    staleTime: 15_000,
    retry: false,
  });

export const createSegment = (body: SegmentInput) => unwrap(client.POST("/api/v1/segments", { body })).then((segment) => segment as Segment);
export const updateSegment = (segment: Segment, body: SegmentInput) =>
  unwrap(client.PATCH("/api/v1/segments/{segment_id}", { params: { path: { segment_id: segment.id } }, headers: ifMatch(segment.version), body })).then((stored) => stored as Segment);
export const deleteSegment = (id: string) => unwrap(client.DELETE("/api/v1/segments/{segment_id}", { params: { path: { segment_id: id } } }));

export const sendersQuery = () =>
  queryOptions({ queryKey: ["senders", "list"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/senders", { signal })) });

export const createSender = (body: SenderInput) => unwrap(client.POST("/api/v1/senders", { body }));
export const updateSender = (sender: Sender, body: SenderPatch) =>
  unwrap(client.PATCH("/api/v1/senders/{sender_id}", { params: { path: { sender_id: sender.id } }, headers: ifMatch(sender.version), body }));
export const deleteSender = (id: string) => unwrap(client.DELETE("/api/v1/senders/{sender_id}", { params: { path: { sender_id: id } } }));
