import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { segmentsQuery, sendersQuery, templatePreviewQuery, templatesQuery } from "../../api/content";
import { dashboardQuery } from "../../api/monitoring";
import type { Template } from "../../api/types";
import { count, perSecond } from "../../lib/format";
import { zones } from "../../lib/zones";
import { Button, buttonClass } from "../../ui/button";
import { channelName } from "../../ui/chip";
import { RadioCards } from "../../ui/choice";
import { Switch, TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { ComboBox } from "../../ui/select";
import { EmptyState, QueryState } from "../../ui/states";
import { SenderForm } from "../senders/form";
import { PreviewPanel, useSomebody } from "../templates/preview-panel";
import type { Draft } from "./draft";

interface StepProps {
  draft: Draft;
  change: (patch: Partial<Draft>) => void;
  /** What is wrong with a field, once the person wanted to go on. */
  errorOf: (field: keyof Draft) => string | undefined;
}

export function AudienceStep({ draft, change, errorOf }: StepProps) {
  const segments = useQuery(segmentsQuery());
  const dashboard = useQuery(dashboardQuery());
  const items = segments.data?.items ?? [];
  const optedIn = dashboard.data?.contacts.opted_in;
  return (
    <div className="grid gap-4">
      <Card>
        <div className="grid gap-4 pt-3 md:grid-cols-2">
          <TextField label="Campaign name" required value={draft.name} onChange={(name) => change({ name })} autoFocus error={errorOf("name")} />
          <TextField label="Topic" value={draft.topic} onChange={(topic) => change({ topic })} placeholder="offers" hint="Only people of the segment who have this topic get it. Leave it empty for all of them." />
        </div>
      </Card>
      <Card title="Who should get it">
        <div className="grid gap-5">
          <RadioCards
            label="People"
            value={draft.audience}
            onChange={(audience) => change({ audience })}
            options={[
              { id: "everyone", label: "Everyone who opted in", hint: optedIn === undefined ? undefined : `${count(optedIn)} right now` },
              { id: "segment", label: "A segment", hint: "The audience is fixed at launch. Only people who opted in get it." },
            ]}
          />
          {draft.audience === "segment" && (
            <QueryState query={segments}>
              {items.length === 0 ? (
                <EmptyState title="There is no segment yet" action={<Link to="/segments/$segmentId" params={{ segmentId: "new" }} className={buttonClass()}>Build one</Link>} />
              ) : (
                <RadioCards
                  label="Segment"
                  error={errorOf("segment_id")}
                  value={draft.segment_id}
                  onChange={(segment_id) => change({ segment_id })}
                  options={items.map((segment) => ({ id: segment.id, label: segment.name, hint: `${segment.size === null ? "Not counted yet" : `${count(segment.size)} in the segment when last counted`}${segment.description ? `. ${segment.description}` : ""}` }))}
                />
              )}
            </QueryState>
          )}
        </div>
      </Card>
    </div>
  );
}

export function TemplateStep({ draft, change, errorOf }: StepProps) {
  const templates = useQuery(templatesQuery());
  const items = templates.data?.items ?? [];
  const chosen = items.find((template) => template.id === draft.template_id);
  if (templates.data && items.length === 0)
    return (
      <div className="card">
        <EmptyState title="There is no template yet" action={<Link to="/templates/$templateId" params={{ templateId: "new" }} className={buttonClass("primary")}>Write one</Link>} />
      </div>
    );
  return (
    <QueryState query={templates}>
      <div className="grid gap-4 lg:grid-cols-[minmax(0,1.6fr)_minmax(20rem,1fr)]">
        <Card title="Message">
          <RadioCards
            label="Template"
            error={errorOf("template_id")}
            value={draft.template_id}
            onChange={(template_id) => change({ template_id })}
            options={items.map((template) => ({
              id: template.id,
              label: template.name,
              hint: (
                <>
                  {channelName(template.channel)}, {template.locale}
                  <span className="mt-1 line-clamp-2">{template.body}</span>
                </>
              ),
            }))}
          />
        </Card>
        {chosen ? <Preview template={chosen} /> : <Card title="Preview"><p className="text-muted">Choose a template to see it with a contact’s values.</p></Card>}
      </div>
    </QueryState>
  );
}

/** With the values of somebody who would get it, and what is to be known of its placeholders. */
function Preview({ template }: { template: Template }) {
  const [picked, setPicked] = useState<string | null>(null);
  const contactId = useSomebody(picked);
  const preview = useQuery({ ...templatePreviewQuery(template.body, contactId || null), placeholderData: keepPreviousData });
  return <PreviewPanel channel={template.channel} empty={false} mistyped={false} preview={preview} contactId={contactId} onContact={setPicked} />;
}

/** What is sent in the end: the lower of the two limits. */
function rateHint(draft: Draft, granted: number | undefined): string {
  const own = Number(draft.messages_per_second);
  if (granted !== undefined && draft.messages_per_second !== "" && own > granted) return `The sender allows ${count(granted)} a second: that is what will be used.`;
  return "Empty: as fast as the sender allows. Running campaigns of one sender share its rate.";
}

export function DeliveryStep({ draft, change, errorOf }: StepProps) {
  const senders = useQuery({ ...sendersQuery(), refetchOnWindowFocus: "always", refetchOnMount: "always" });
  const templates = useQuery(templatesQuery());
  const [adding, setAdding] = useState(false);
  const channel = templates.data?.items.find((template) => template.id === draft.template_id)?.channel;
  const items = senders.data?.items ?? [];
  const fitting = items.filter((sender) => channel === undefined || sender.channel === channel);
  const sender = items.find((entry) => entry.id === draft.sender_id);
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      <Card title="From">
        <QueryState query={senders}>
          {fitting.length === 0 ? (
            <EmptyState title={channel ? `There is no ${channelName(channel)} sender` : "There is no sender yet"} action={<Button variant="primary" onPress={() => setAdding(true)}>Add a sender</Button>} />
          ) : (
            <div className="grid gap-5">
              <RadioCards
                label="Sender"
                error={errorOf("sender_id")}
                value={draft.sender_id}
                onChange={(sender_id) => change({ sender_id })}
                options={fitting.map((entry) => ({ id: entry.id, label: entry.name, hint: `${channelName(entry.channel)} ${entry.address}, up to ${perSecond(entry.messages_per_second)}` }))}
              />
              <TextField
                label="Messages per second for this campaign"
                inputMode="decimal"
                value={draft.messages_per_second}
                onChange={(messages_per_second) => change({ messages_per_second })}
                placeholder={sender ? String(sender.messages_per_second) : undefined}
                hint={rateHint(draft, sender?.messages_per_second)}
                error={errorOf("messages_per_second")}
              />
            </div>
          )}
        </QueryState>
      </Card>
      {adding && <SenderForm channel={channel} onClose={() => setAdding(false)} onAdded={(added) => change({ sender_id: added.id })} />}
      <Card title="Quiet hours">
        <div className="grid gap-4">
          <Switch checked={draft.quiet} onChange={(quiet) => change({ quiet })} hint="Messages due during quiet hours wait until they end; none is dropped.">
            Keep quiet hours
          </Switch>
          {draft.quiet && (
            <div className="grid grid-cols-2 gap-4">
              <TextField label="From" type="time" value={draft.quiet_start} onChange={(quiet_start) => change({ quiet_start })} />
              <TextField label="Until" type="time" value={draft.quiet_end} onChange={(quiet_end) => change({ quiet_end })} error={errorOf("quiet_end")} />
            </div>
          )}
          <ComboBox label="Time zone if neither contact nor number gives one" value={draft.timezone} onChange={(timezone) => change({ timezone })} options={zones()} error={errorOf("timezone")} />
        </div>
      </Card>
    </div>
  );
}
