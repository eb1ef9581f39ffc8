import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Filter, Plus } from "lucide-react";
import { segmentsQuery } from "../../api/content";
import type { Segment } from "../../api/types";
import { ago, count, plural } from "../../lib/format";
import { buttonClass } from "../../ui/button";
import { DataGrid, type Column } from "../../ui/data-grid";
import { PageHeader } from "../../ui/layout";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";
import { describe } from "./rules";

function SegmentLink({ segment }: { segment: Segment }) {
  return (
    <Link to="/segments/$segmentId" params={{ segmentId: segment.id }} className="font-medium underline-offset-4 hover:underline">
      {segment.name}
    </Link>
  );
}

const sizeText = (segment: Segment): string => (segment.size === null ? "not counted" : count(segment.size));

const columns: Column<Segment>[] = [
  { id: "name", header: "Segment", width: "minmax(11rem, 1fr)", cell: (row) => <SegmentLink segment={row} /> },
  { id: "rule", header: "Who is in it", width: "minmax(16rem, 3fr)", cell: (row) => <span className="text-muted" title={describe(row.definition)}>{row.description || describe(row.definition)}</span> },
  { id: "size", header: "People", width: "7rem", align: "end", cell: (row) => <span className={row.size === null ? "text-muted" : "font-medium"}>{sizeText(row)}</span> },
  { id: "at", header: "Counted", width: "7rem", align: "end", cell: (row) => <span className="text-muted">{row.size_at ? ago(row.size_at) : "–"}</span> },
];

export default function Segments() {
  const navigate = useNavigate();
  const segments = useQuery(segmentsQuery());
  const rows = segments.data?.items ?? [];
  const add = (
    <Link to="/segments/$segmentId" params={{ segmentId: "new" }} className={buttonClass("primary")}>
      <Plus aria-hidden /> New segment
    </Link>
  );
  return (
    <>
      <PageHeader needs="campaigns:write" title="Segments" meta={segments.data && <span>{plural(rows.length, "segment")}</span>} actions={add} />
      <div className="card overflow-hidden">
        <QueryState query={segments} skeleton={<Skeleton rows={6} className="p-4" />}>
          {rows.length === 0 ? (
            <EmptyState icon={<Filter aria-hidden />} title="No segment yet" action={add}>
              A segment is a set of rules over attributes, consent and topics; its members are determined whenever it is used.
            </EmptyState>
          ) : (
            <DataGrid
              label="Segments"
              columns={columns}
              rows={rows}
              rowKey={(row) => row.id}
              onOpen={(row) => void navigate({ to: "/segments/$segmentId", params: { segmentId: row.id } })}
              card={(row) => (
                <>
                  <div className="flex items-baseline justify-between gap-3">
                    <span className="min-w-0 truncate">
                      <SegmentLink segment={row} />
                    </span>
                    <span className="tabular">{sizeText(row)}</span>
                  </div>
                  <p className="mt-1 line-clamp-2 text-sm text-muted">{row.description || describe(row.definition)}</p>
                </>
              )}
            />
          )}
        </QueryState>
      </div>
    </>
  );
}
