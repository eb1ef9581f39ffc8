import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { MessageSquareText, Plus } from "lucide-react";
import { useMemo, useState } from "react";
import { templatesQuery } from "../../api/content";
import type { Template } from "../../api/types";
import { ago, plural } from "../../lib/format";
import { pieces } from "../../lib/placeholders";
import { ArrowList } from "../../ui/arrow-list";
import { buttonClass } from "../../ui/button";
import { Chip, channelName } from "../../ui/chip";
import { SearchField } from "../../ui/field";
import { PageHeader } from "../../ui/layout";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";

export default function Templates() {
  const templates = useQuery(templatesQuery());
  const [search, setSearch] = useState("");
  const items = useMemo(() => templates.data?.items ?? [], [templates.data]);
  const shown = items.filter((template) => `${template.name} ${template.body}`.toLowerCase().includes(search.toLowerCase()));
  const add = (
    <Link to="/templates/$templateId" params={{ templateId: "new" }} className={buttonClass("primary")}>
      <Plus aria-hidden /> New template
    </Link>
  );
  return (
    <>
      <PageHeader needs="campaigns:write" title="Templates" meta={templates.data && <span>{plural(items.length, "template")}</span>} actions={add} />
      <QueryState query={templates} skeleton={<Skeleton rows={3} height={150} />}>
        {items.length === 0 ? (
          <div className="card">
            <EmptyState icon={<MessageSquareText aria-hidden />} title="No template yet" action={add}>
              A template is a message with placeholders such as {"{name}"}, filled with each contact’s own values.
            </EmptyState>
          </div>
        ) : (
          <>
            {items.length > 6 && <SearchField label="Search templates" value={search} onChange={setSearch} className="mb-4 max-w-md" />}
            <ArrowList className="grid gap-4 md:grid-cols-2 2xl:grid-cols-3">
              {shown.map((template) => (
                <TemplateCard key={template.id} template={template} />
              ))}
            </ArrowList>
            {shown.length === 0 && <p className="text-muted">No template matches “{search}”.</p>}
          </>
        )}
      </QueryState>
    </>
  );
}

function TemplateCard({ template }: { template: Template }) {
  return (
    <li className="card relative flex flex-col gap-3 p-5 transition-colors hover:border-line-strong">
      <div className="flex items-start justify-between gap-3">
        <h2 className="min-w-0 text-md font-semibold wrap-anywhere">
          <Link to="/templates/$templateId" params={{ templateId: template.id }} className="after:absolute after:inset-0 after:rounded-lg">
            {template.name}
          </Link>
        </h2>
        <Chip tone={template.channel === "whatsapp" ? "ok" : "info"}>{channelName(template.channel)}</Chip>
      </div>
      <p className="line-clamp-3 min-h-[4.5em] grow text-base whitespace-pre-line wrap-anywhere text-muted">
        {pieces(template.body).map((piece, index) =>
          piece.placeholder ? (
            <span key={index} className="rounded bg-accent-soft px-1 text-accent">
              {piece.placeholder}
            </span>
          ) : (
            piece.text
          ),
        )}
      </p>
      <p className="flex justify-between gap-3 text-xs text-muted">
        <span>{template.locale}</span>
        <span>Changed {ago(template.updated_at)}</span>
      </p>
    </li>
  );
}
