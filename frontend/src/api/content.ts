import { queryOptions } from "@tanstack/react-query";
import { client, ifMatch, unwrap } from "./client";
import type { Evaluation, Page, Rule, Segment, SegmentInput, Sender, SenderInput, Template, TemplateInput, TemplatePreview } from "./types";

/** Templates, segments and senders: short lists, read whole (200 is the API's page bound). */
const all = { params: { query: { limit: 200 } } };

export const templatesQuery = () =>
  queryOptions({ queryKey: ["templates", "list"], queryFn: ({ signal }) => unwrap<Page<Template>>(client.GET("/api/v1/templates", { ...all, signal })) });

export const templateQuery = (id: string) =>
  queryOptions({
    queryKey: ["templates", "detail", id],
    queryFn: ({ signal }) => unwrap<Template>(client.GET("/api/v1/templates/{template_id}", { params: { path: { template_id: id } }, signal })),
  });

export const templatePreviewQuery = (body: string, contactId: string | null) =>
  queryOptions({
    queryKey: ["templates", "preview", body, contactId],
    queryFn: ({ signal }) => unwrap<TemplatePreview>(client.POST("/api/v1/templates/preview", { body: { body, contact_id: contactId }, signal })),
    staleTime: 30_000,
    enabled: body.trim() !== "",
  });

export const createTemplate = (body: TemplateInput) => unwrap<Template>(client.POST("/api/v1/templates", { body }));
export const updateTemplate = (template: Template, body: Partial<TemplateInput>) =>
  unwrap<Template>(client.PATCH("/api/v1/templates/{template_id}", { params: { path: { template_id: template.id } }, headers: ifMatch(template.version), body }));
export const deleteTemplate = (id: string) => unwrap<void>(client.DELETE("/api/v1/templates/{template_id}", { params: { path: { template_id: id } } }));

export const segmentsQuery = () =>
  queryOptions({ queryKey: ["segments", "list"], queryFn: ({ signal }) => unwrap<Page<Segment>>(client.GET("/api/v1/segments", { ...all, signal })) });

export const segmentQuery = (id: string) =>
  queryOptions({
    queryKey: ["segments", "detail", id],
    queryFn: ({ signal }) => unwrap<Segment>(client.GET("/api/v1/segments/{segment_id}", { params: { path: { segment_id: id } }, signal })),
  });

export const evaluationQuery = (definition: Rule, enabled: boolean) =>
  queryOptions({
    queryKey: ["segments", "evaluation", definition],
    queryFn: ({ signal }) => unwrap<Evaluation>(client.POST("/api/v1/segments/evaluate", { body: { definition, sample: 20 }, signal })),
    enabled,
    staleTime: 15_000,
    retry: false,
  });

export const createSegment = (body: SegmentInput) => unwrap<Segment>(client.POST("/api/v1/segments", { body }));
export const updateSegment = (segment: Segment, body: Partial<SegmentInput>) =>
  unwrap<Segment>(client.PATCH("/api/v1/segments/{segment_id}", { params: { path: { segment_id: segment.id } }, headers: ifMatch(segment.version), body }));
export const deleteSegment = (id: string) => unwrap<void>(client.DELETE("/api/v1/segments/{segment_id}", { params: { path: { segment_id: id } } }));

export const sendersQuery = () =>
  queryOptions({ queryKey: ["senders", "list"], queryFn: ({ signal }) => unwrap<Page<Sender>>(client.GET("/api/v1/senders", { signal })) });

export const createSender = (body: SenderInput) => unwrap<Sender>(client.POST("/api/v1/senders", { body }));
export const updateSender = (id: string, body: Partial<SenderInput>) =>
  unwrap<Sender>(client.PATCH("/api/v1/senders/{sender_id}", { params: { path: { sender_id: id } }, body }));
export const deleteSender = (id: string) => unwrap<void>(client.DELETE("/api/v1/senders/{sender_id}", { params: { path: { sender_id: id } } }));
