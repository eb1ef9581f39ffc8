import { useInfiniteQuery, type UseInfiniteQueryResult, type InfiniteData } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { mergesQuery, rejectsQuery } from "../../api/imports";
import type { Consent, Import, MergedRow, Page, Reject } from "../../api/types";
import { count, percent } from "../../lib/format";
import { consentNames } from "../../ui/chip";
import { DataGrid, type Column } from "../../ui/data-grid";
import { ExportLink } from "../../ui/export-link";
import { Card } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";

const rejectColumns: Column<Reject>[] = [
  { id: "line", header: "Line", width: "4rem", cell: (row) => <span className="tabular">{count(row.line)}</span> },
  { id: "reason", header: "Reason", width: "minmax(16rem, 1.4fr)", cell: (row) => <span title={row.reason}>{row.reason}</span> },
  { id: "row", header: "Original row", width: "minmax(16rem, 2fr)", cell: (row) => <span title={row.row} className="font-mono text-xs text-muted">{row.row || "Erased"}</span> },
];

export function Rejects({ item }: { item: Import }) {
  const rejects = useInfiniteQuery(rejectsQuery(item.id));
  return (
    <Rows
      title="Rejected rows"
      note="The file has the columns of yours, with line and reason behind them: correct it and upload it again."
      item={item}
      total={item.rejected}
      file="rejects.csv"
      query={rejects}
      columns={rejectColumns}
      card={(row) => (
        <>
          <p className="line-clamp-2 text-sm">
            <span className="font-medium tabular">Line {count(row.line)}:</span> {row.reason}
          </p>
          <p className="mt-1 truncate font-mono text-xs text-muted">{row.row || "Erased"}</p>
        </>
      )}
    />
  );
}

const said = (row: MergedRow): string => Object.entries(row.stated).map(([name, value]) => name === "consent" ? `consent: ${consentNames[value as Consent] ?? value}` : `${name}: ${value}`).join(" · ") || "nothing new";

const mergeColumns: Column<MergedRow>[] = [
  { id: "line", header: "Line", width: "4rem", cell: (row) => <span className="tabular">{count(row.line)}</span> },
  { id: "into", header: "Merged into line", width: "8rem", cell: (row) => <span className="tabular">{count(row.first_line)}</span> },
  { id: "phone", header: "Number", width: "minmax(9.5rem, 0.6fr)", cell: (row) => <span className="tabular">{row.phone || "Erased"}</span> },
  { id: "said", header: "Values of the row", width: "minmax(16rem, 2fr)", cell: (row) => <span title={said(row)} className="text-muted">{said(row)}</span> },
];

export function Merges({ item }: { item: Import }) {
  const merges = useInfiniteQuery(mergesQuery(item.id));
  return (
    <Rows
      title="Merged rows"
      note="Their number stands earlier in the file. The later value wins; an opt-out or STOP is never taken back."
      item={item}
      total={item.merged}
      file="merges.csv"
      query={merges}
      columns={mergeColumns}
      card={(row) => (
        <>
          <p className="text-sm tabular">
            <span className="font-medium">Line {count(row.line)}</span> into line {count(row.first_line)}: {row.phone || "Erased"}
          </p>
          <p className="mt-1 truncate text-xs text-muted">{said(row)}</p>
        </>
      )}
    />
  );
}

interface RowsProps<T extends { line: number }> {
  title: string;
  note: string;
  item: Import;
  total: number;
  file: string;
  query: UseInfiniteQueryResult<InfiniteData<Page<T>>>;
  columns: Column<T>[];
  card: (row: T) => ReactNode;
}

function Rows<T extends { line: number }>({ title, note, item, total, file, query, columns, card }: RowsProps<T>) {
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card
      padded={false}
      title={
        <>
          {title} <span className="font-normal text-muted tabular">{`${count(total)} (${percent(item.rows_read > 0 ? total / item.rows_read : null)})`}</span>
        </>
      }
      aside={
        <ExportLink path={`/api/v1/imports/${item.id}/${file}`} filters={{}} total={total} needs="contacts:export" what={title.toLowerCase()} size="sm" />
      }
    >
      <p className="px-5 pb-3 text-sm text-muted">{note}</p>
      <QueryState query={query} skeleton={<Skeleton rows={5} className="p-4" />}>
        <DataGrid
          label={title}
          columns={columns}
          rows={rows}
          rowKey={(row) => JSON.stringify(row)}
          total={total}
          rowHeight={42}
          height={`${Math.min(rows.length, 10) * 42 + 44}px`}
          hasMore={query.hasNextPage}
          loadingMore={query.isFetchingNextPage}
          onMore={() => void query.fetchNextPage()}
          card={card}
        />
      </QueryState>
    </Card>
  );
}
