import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { FileUp, Upload } from "lucide-react";
import { useCallback } from "react";
import { importsQuery } from "../../api/imports";
import type { Import } from "../../api/types";
import { ago, bytes, count, dateTime, percent } from "../../lib/format";
import { pendingUpload } from "../../lib/pending-upload";
import { useLive } from "../../realtime/client";
import { Button } from "../../ui/button";
import { ImportChip } from "../../ui/chip";
import { DataGrid, type Column } from "../../ui/data-grid";
import { FileButton } from "../../ui/file-drop";
import { PageHeader } from "../../ui/layout";
import { LiveControls } from "../../ui/live-controls";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";

function ImportLink({ item }: { item: Import }) {
  return (
    <Link to="/imports/$importId" params={{ importId: item.id }} className="font-medium underline-offset-4 hover:underline">
      {item.name}
    </Link>
  );
}

const written = (item: Import): number => item.created + item.updated;

const columns: Column<Import>[] = [
  { id: "name", header: "File", width: "minmax(12rem, 2fr)", cell: (row) => <ImportLink item={row} /> },
  { id: "status", header: "State", width: "minmax(10rem, 1fr)", cell: (row) => <ImportChip item={row} /> },
  { id: "rows", header: "Rows", width: "minmax(5rem, 0.7fr)", align: "end", cell: (row) => (row.status === "running" ? percent(row.progress, 0) : count(row.rows_read)) },
  { id: "written", header: "Created + updated", width: "minmax(8rem, 0.9fr)", align: "end", cell: (row) => (row.dry_run ? <span className="text-muted" title="A dry run writes nothing">{`would be ${count(written(row))}`}</span> : count(written(row))) },
  { id: "unchanged", header: "Unchanged", width: "minmax(5.5rem, 0.7fr)", align: "end", cell: (row) => <span className="text-muted">{count(row.unchanged)}</span> },
  { id: "merged", header: "Merged", width: "minmax(4.5rem, 0.6fr)", align: "end", cell: (row) => <span className="text-muted" title="Rows whose number stands earlier in the file">{count(row.merged)}</span> },
  { id: "rejected", header: "Rejected", width: "minmax(5rem, 0.7fr)", align: "end", cell: (row) => <span className={row.rejected > 0 ? "font-medium text-bad" : "text-muted"}>{count(row.rejected)}</span> },
  { id: "size", header: "Size", width: "minmax(5rem, 0.6fr)", align: "end", cell: (row) => <span className="text-muted">{bytes(row.size_bytes)}</span> },
  { id: "at", header: "Uploaded", width: "7rem", align: "end", cell: (row) => <span className="text-muted" title={dateTime(row.created_at)}>{ago(row.created_at)}</span> },
];

export default function Imports() {
  const navigate = useNavigate();
  const imports = useInfiniteQuery(importsQuery());
  useLive("imports");
  const rows = imports.data?.pages.flatMap((page) => page.items) ?? [];
  const takeFile = useCallback(
    (file: File) => {
      pendingUpload.put(file);
      void navigate({ to: "/imports/$importId", params: { importId: "new" } });
    },
    [navigate],
  );
  const choose = (
    <FileButton onFile={takeFile}>
      <Button variant="primary" icon={<Upload aria-hidden />}>
        Import file
      </Button>
    </FileButton>
  );
  return (
    <>
      <PageHeader needs="contacts:write" title="Imports" meta={imports.data && <LiveControls at={imports.dataUpdatedAt} />} actions={choose} />
      <div className="card overflow-hidden">
        <QueryState query={imports} skeleton={<Skeleton rows={8} className="p-4" />}>
          {rows.length === 0 ? (
            <EmptyState icon={<FileUp aria-hidden />} title="No file has been imported" action={choose}>
              Drop a CSV, JSON or JSON Lines file anywhere on this page, or choose one.
            </EmptyState>
          ) : (
            <DataGrid
              label="Imports"
              columns={columns}
              rows={rows}
              rowKey={(row) => row.id}
              onOpen={(row) => void navigate({ to: "/imports/$importId", params: { importId: row.id } })}
              hasMore={imports.hasNextPage}
              loadingMore={imports.isFetchingNextPage}
              onMore={() => void imports.fetchNextPage()}
              card={(row) => (
                <>
                  <div className="flex items-center justify-between gap-3">
                    <span className="min-w-0 truncate">
                      <ImportLink item={row} />
                    </span>
                    <ImportChip item={row} />
                  </div>
                  <p className="mt-1 truncate text-sm text-muted tabular">
                    {count(row.rows_read)} rows, {count(written(row))} {row.dry_run ? "would be written" : "written"}, {count(row.unchanged + row.merged)} unchanged or merged, {count(row.rejected)} rejected
                  </p>
                  <p className="text-xs text-muted">
                    {bytes(row.size_bytes)} · {ago(row.created_at)}
                  </p>
                </>
              )}
            />
          )}
        </QueryState>
      </div>
    </>
  );
}
