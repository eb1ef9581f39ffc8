import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { importQuery } from "../../api/imports";
import type { Import } from "../../api/types";
import { bytes, dateTime } from "../../lib/format";
import { useLive } from "../../realtime/client";
import { ImportChip } from "../../ui/chip";
import { PageHeader } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { Stepper } from "../../ui/stepper";
import { MappingPhase } from "./mapping";
import { ResultPhase } from "./result";
import { UploadPhase } from "./upload";

const steps = [
  { id: "upload", label: "Upload" },
  { id: "map", label: "Map columns" },
  { id: "apply", label: "Apply" },
] as const;
type Phase = (typeof steps)[number]["id"];

export default function ImportPage() {
  const { importId } = useParams({ from: "/imports/$importId" });
  return importId === "new" ? <NewImport /> : <ExistingImport key={importId} id={importId} />;
}

function NewImport() {
  return (
    <>
      <PageHeader needs="contacts:write" title="Import contacts" back={{ to: "/imports", label: "Imports" }} />
      <Stepper label="Import phases" steps={[...steps]} current="upload" />
      <UploadPhase />
    </>
  );
}

function ExistingImport({ id }: { id: string }) {
  const item = useQuery(importQuery(id));
  useLive(`import:${id}`);
  return (
    <QueryState query={item} skeleton={<Skeleton rows={4} height={90} />} gone={{ what: "Import", to: "/imports", label: "Imports" }}>
      {item.data && <Phases item={item.data} at={item.dataUpdatedAt} />}
    </QueryState>
  );
}

function Phases({ item, at }: { item: Import; at: number }) {
  // After a dry run the person goes back to the mapping, with what they chose still there.
  const [remap, setRemap] = useState(false);
  const phase: Phase = item.status === "uploaded" || remap ? "map" : "apply";
  return (
    <>
      <PageHeader needs="contacts:write"
        title={item.name}
        back={{ to: "/imports", label: "Imports" }}
        meta={
          <>
            <ImportChip item={item} />
            <span>{bytes(item.size_bytes)}</span>
            <span>Uploaded {dateTime(item.created_at)}</span>
          </>
        }
      />
      <Stepper label="Import phases" steps={[...steps]} current={phase} finished={item.status === "completed" && !item.dry_run} />
      {phase === "map" ? (
        <MappingPhase item={item} onStarted={() => setRemap(false)} />
      ) : (
        <ResultPhase item={item} at={at} onRemap={item.dry_run && item.status !== "running" ? () => setRemap(true) : undefined} />
      )}
    </>
  );
}
