import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { cancelImport, importPreviewQuery, startImport } from "../../api/imports";
import type { Import } from "../../api/types";
import { count, duration, plural } from "../../lib/format";
import { Button, buttonClass } from "../../ui/button";
import { ConfirmDialog } from "../../ui/dialog";
import { Card, Stat } from "../../ui/layout";
import { LiveControls } from "../../ui/live-controls";
import { PartsBar, Progress, type Part } from "../../ui/progress";
import { toast } from "../../ui/toast";
import { Changes } from "./changes";
import { outcome } from "./outcome";
import { Merges, Rejects } from "./rows";
import { choicesFor, startWith, type Choices } from "./mapping-model";

export function ResultPhase({ item, at, onRemap }: { item: Import; at: number; onRemap?: () => void }) {
  return (
    <div className="grid gap-4">
      <Headline item={item} at={at} onRemap={onRemap} />
      <Accounting item={item} />
      {item.updated > 0 && <Changes item={item} />}
      {item.warnings.length > 0 && <Warnings item={item} />}
      {item.rejected > 0 && <Rejects item={item} />}
      {item.merged > 0 && <Merges item={item} />}
    </div>
  );
}

function remaining(item: Import): string | null {
  if (!item.rows_per_second || item.progress <= 0) return null;
  const rows = item.rows_read / item.progress - item.rows_read;
  return `about ${duration(rows / item.rows_per_second)} left`;
}

function took(item: Import): string | null {
  if (!item.started_at || !item.finished_at) return null;
  return duration((Date.parse(item.finished_at) - Date.parse(item.started_at)) / 1000);
}

function Headline({ item, at, onRemap }: { item: Import; at: number; onRemap?: () => void }) {
  if (item.status === "running") return <Running item={item} at={at} />;
  const time = took(item);
  const rows = `${plural(item.rows_read, "row")}${time ? ` in ${time}` : ""}`;
  const words: Record<string, string> = {
    completed: item.dry_run ? `The dry run read ${rows}. Nothing was written.` : `${outcome(item)}${time ? ` in ${time}` : ""}.`,
    failed: `The import stopped after ${rows}.`,
    canceled: `Canceled after ${rows}.`,
  };
  return (
    <div className="card flex flex-wrap items-center justify-between gap-4 px-5 py-4">
      <div className="min-w-0">
        <p className="text-lg font-semibold">{words[item.status]}</p>
        {item.error && (
          <p role="alert" className="mt-1 flex gap-2 text-md wrap-anywhere text-bad">
            <CircleAlert aria-hidden className="mt-0.5 size-[18px] shrink-0" /> {item.error}
          </p>
        )}
      </div>
      <div className="flex flex-wrap gap-2">
        {onRemap && <AfterDryRun item={item} onRemap={onRemap} />}
        {!item.dry_run && item.status === "completed" && (
          <Link to="/contacts" className={buttonClass("primary")}>
            See contacts
          </Link>
        )}
      </div>
    </div>
  );
}

/** What was tried is what is imported: the same mapping, without asking for it again. */
function AfterDryRun({ item, onRemap }: { item: Import; onRemap: () => void }) {
  const cache = useQueryClient();
  const choices = choicesFor(item.id);
  const start = useMutation({
    mutationFn: async (kept: Choices) => {
      const preview = await cache.ensureQueryData(importPreviewQuery(item.id));
      return startImport(item.id, startWith(preview.columns, kept, false));
    },
    onSuccess: (started) => {
      cache.setQueryData(["imports", "detail", item.id], started);
      void cache.invalidateQueries({ queryKey: ["imports", "rows", item.id] });
    },
    onError: toast.failed,
  });
  const ready = item.status === "completed" && choices !== null;
  return (
    <>
      <Button variant={ready ? "secondary" : "primary"} onPress={onRemap}>
        Change the mapping
      </Button>
      {ready && (
        <Button variant="primary" isPending={start.isPending} onPress={() => start.mutate(choices)}>
          Import {plural(item.rows_read - item.rejected, "row")} for real
        </Button>
      )}
    </>
  );
}

function Running({ item, at }: { item: Import; at: number }) {
  const [asking, setAsking] = useState(false);
  const cache = useQueryClient();
  const cancel = async () => {
    await cancelImport(item.id);
    await cache.invalidateQueries({ queryKey: ["imports", "detail", item.id] });
  };
  const rest = remaining(item);
  return (
    <Card
      title={item.dry_run ? "Dry run" : "Importing"}
      aside={<LiveControls at={at} />}
    >
      <Progress label={`${count(item.rows_read)} rows read`} value={item.progress} />
      <div className="mt-3 flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-muted tabular">
          {item.rows_per_second ? `${count(Math.round(item.rows_per_second))} rows/s` : "Starting"}
          {rest && `, ${rest}`}
        </p>
        <Button size="sm" variant="danger" onPress={() => setAsking(true)}>
          Cancel
        </Button>
      </div>
      <ConfirmDialog title="Cancel this import?" open={asking} onClose={() => setAsking(false)} onConfirm={cancel} action="Cancel the import" dismiss="Keep importing" danger>
        <p>
          {count(item.rows_read)} rows were read so far. {item.dry_run ? "A dry run writes nothing." : "What the finished page then counts as created or updated stays written."}
        </p>
      </ConfirmDialog>
    </Card>
  );
}

function accounts(item: Import): (Part & { hint: string })[] {
  return [
    { id: "created", label: "Created", value: item.created, tone: "ok", hint: "new contacts" },
    { id: "updated", label: "Updated", value: item.updated, tone: "info", hint: "contacts with a new value" },
    { id: "unchanged", label: "Unchanged", value: item.unchanged, tone: "neutral", hint: "rows that changed nothing" },
    { id: "merged", label: "Merged", value: item.merged, tone: "accent", hint: "repeated within the file" },
    { id: "rejected", label: "Rejected", value: item.rejected, tone: "bad", hint: "each with its reason" },
  ];
}

/** Every row is in exactly one of the five; the sixth figure is a part of two of them. */
function Accounting({ item }: { item: Import }) {
  const parts = accounts(item);
  return (
    <section aria-label="All rows" className="grid gap-3">
      <dl className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-6">
        {parts.map((part) => (
          <Stat key={part.id} label={part.label} value={count(part.value)} hint={part.hint} tone={part.id === "rejected" && part.value > 0 ? "bad" : undefined} />
        ))}
        <Stat label="Kept out" value={count(item.consent_kept)} hint="opted out or wrote STOP, against the file" />
      </dl>
      {item.rows_read > 0 && <PartsBar label="Rows of the file" parts={parts} />}
    </section>
  );
}

function Warnings({ item }: { item: Import }) {
  return (
    <Card title="Read with assumptions">
      <ul className="grid gap-2">
        {item.warnings.map((warning) => (
          <li key={`${warning.code} ${warning.about ?? ""}`} className="flex gap-3">
            <TriangleAlert aria-hidden className="mt-0.5 size-[18px] shrink-0 text-warn" />
            <span>
              {warning.message} <span className="text-muted tabular">({plural(warning.count, "row")})</span>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
