import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { attributesQuery } from "../../api/contacts";
import { createTemplate, deleteTemplate, templatePreviewQuery, templateQuery, updateTemplate } from "../../api/content";
import { sandboxQuery } from "../../api/monitoring";
import { asProblem } from "../../api/problem";
import type { Template, TemplateInput } from "../../api/types";
import { dateTime } from "../../lib/format";
import { useEdited } from "../../lib/edited";
import { useDebounced } from "../../lib/hooks";
import { mistypedPlaceholder } from "../../lib/placeholders";
import { Button } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Conflict, isStale } from "../../ui/conflict";
import { ConfirmDialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Card, PageHeader } from "../../ui/layout";
import { LeaveGuard } from "../../ui/leave-guard";
import { ReadOnly } from "../../ui/read-only";
import { Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { BodyEditor } from "./body-editor";
import { PreviewPanel, useSomebody } from "./preview-panel";

type Draft = Required<TemplateInput>;
const blank: Draft = { name: "", channel: "sms", locale: "en", body: "", content_sid: null };

export default function TemplatePage() {
  const { templateId } = useParams({ from: "/templates/$templateId" });
  return templateId === "new" ? <Editor /> : <Existing key={templateId} id={templateId} />;
}

function Existing({ id }: { id: string }) {
  const template = useQuery(templateQuery(id));
  return (
    <QueryState query={template} skeleton={<Skeleton rows={3} height={160} />} gone={{ what: "Template", to: "/templates", label: "Templates" }}>
      {template.data && <Editor template={template.data} />}
    </QueryState>
  );
}

const draftOf = (template?: Template): Draft => (template ? { name: template.name, channel: template.channel, locale: template.locale, body: template.body, content_sid: template.content_sid } : blank);
const labels: Record<keyof Draft, string> = { name: "Name", channel: "Channel", locale: "Locale", body: "Message", content_sid: "Content SID" };

function Editor({ template }: { template?: Template }) {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const edited = useEdited(template, draftOf);
  const { draft, dirty, change } = edited;
  const [deleting, setDeleting] = useState(false);
  const [side, setSide] = useState<"edit" | "preview">("edit");
  const [picked, setContactId] = useState<string | null>(null);
  const attributes = useQuery(attributesQuery());
  const sandbox = useQuery(sandboxQuery());
  const contactId = useSomebody(picked); // real values from the first look on
  const body = useDebounced(draft.body, 250);
  const preview = useQuery({ ...templatePreviewQuery(body, contactId || null), placeholderData: keepPreviousData });

  const save = useMutation({
    mutationFn: (given: { draft: Draft; base?: Template }) => (given.base ? updateTemplate(given.base, given.draft) : createTemplate(given.draft)),
    onSuccess: (stored) => {
      cache.setQueryData(["templates", "detail", stored.id], stored);
      void cache.invalidateQueries({ queryKey: ["templates", "list"] });
      edited.start(stored);
      toast.done("Template saved");
    },
    onError: (error) => isStale(error) && cache.invalidateQueries({ queryKey: ["templates", "detail", template?.id] }),
  });
  const storedId = save.data?.id;
  useEffect(() => {
    // After the state above has settled, so that the leave guard does not ask.
    if (!template && storedId) void navigate({ to: "/templates/$templateId", params: { templateId: storedId }, replace: true });
  }, [template, storedId, navigate]);
  const problem = save.error && !isStale(save.error) ? asProblem(save.error) : null;
  const mistyped = mistypedPlaceholder(draft.body);
  // What the server said about the message holds until the message changes, and stands beside it only.
  const said = save.variables?.draft.body === draft.body ? problem?.field("body") : undefined;
  const bodyOnly = problem !== null && problem.errors.length > 0 && problem.errors.every((entry) => entry.field === "body");

  return (
    <>
      <LeaveGuard dirty={dirty && !save.isPending && (template !== undefined || storedId === undefined)} />
      <PageHeader needs="campaigns:write"
        title={edited.base ? edited.base.name : "New template"}
        back={{ to: "/templates", label: "Templates" }}
        meta={<span>{dirty ? "Unsaved changes" : template ? `Saved ${dateTime((edited.base ?? template).updated_at)}` : "Not saved yet"}</span>}
        actions={
          <>
            {template && (
              <Button variant="danger" icon={<Trash2 aria-hidden />} onPress={() => setDeleting(true)}>
                Delete
              </Button>
            )}
            <Button variant="primary" isDisabled={!dirty || mistyped !== null || draft.name.trim() === "" || draft.body.trim() === ""} isPending={save.isPending} onPress={() => save.mutate({ draft, base: edited.base })}>
              Save
            </Button>
          </>
        }
      />
      <Conflict what="template" edited={edited} labels={labels} error={save.error} onKeepMine={save.mutate} />
      <Segmented label="Side" className="mb-4 lg:hidden" value={side} onChange={setSide} options={[{ id: "edit", label: "Edit" }, { id: "preview", label: "Preview" }]} />
      <div className="grid gap-4 lg:grid-cols-[minmax(0,1.4fr)_minmax(20rem,1fr)]">
        <ReadOnly needs="campaigns:write">
        <Card className={side === "preview" ? "max-lg:hidden" : undefined}>
          <div className="grid gap-5 pt-3">
            {!bodyOnly && <Problems error={problem} placed={["name", "locale", "content_sid", "body"]} />}
            <div className="grid gap-4 sm:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
              <TextField label="Name" required value={draft.name} onChange={(name) => change({ name })} autoFocus={!template} error={problem?.field("name")} />
              <TextField label="Locale" value={draft.locale} onChange={(locale) => change({ locale })} error={problem?.field("locale")} />
            </div>
            <div className="grid gap-1.5">
              <span className="text-sm font-medium">Channel</span>
              <Segmented label="Channel" value={draft.channel} onChange={(channel) => change({ channel })} options={[{ id: "sms", label: "SMS" }, { id: "whatsapp", label: "WhatsApp" }]} />
            </div>
            <BodyEditor value={draft.body} onChange={(text) => change({ body: text })} attributes={attributes.data?.items ?? []} unknown={preview.data?.unknown ?? []} error={mistyped ?? said} />
            {draft.channel === "whatsapp" && (
              <TextField
                label="Content SID"
                mono
                value={draft.content_sid ?? ""}
                onChange={(sid) => change({ content_sid: sid.trim() || null })}
                placeholder="HX…"
                error={problem?.field("content_sid")}
                hint={`The approved WhatsApp template. Without it, only people who wrote in the last 24 hours can be reached; the others are refused, with that reason.${sandbox.data?.active ? " In the sandbox any SID will do: HX and 32 digits or letters." : ""}`}
              />
            )}
          </div>
        </Card>
        </ReadOnly>
        <div className={side === "edit" ? "max-lg:hidden" : undefined}>
          <PreviewPanel channel={draft.channel} empty={draft.body.trim() === ""} mistyped={mistyped !== null} preview={preview} contactId={contactId} onContact={setContactId} />
        </div>
      </div>
      {template && <DeleteDialog template={template} open={deleting} onClose={() => setDeleting(false)} />}
    </>
  );
}

function DeleteDialog({ template, open, onClose }: { template: Template; open: boolean; onClose: () => void }) {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const remove = async () => {
    await deleteTemplate(template.id);
    void cache.invalidateQueries({ queryKey: ["templates", "list"] });
    toast.done(`${template.name} deleted`);
    void navigate({ to: "/templates", ignoreBlocker: true });
  };
  return (
    <ConfirmDialog title="Delete this template?" open={open} onClose={onClose} onConfirm={remove} action="Delete template" danger>
      <p>Campaigns that were launched with it keep their messages. Drafts that use it need another template.</p>
    </ConfirmDialog>
  );
}
