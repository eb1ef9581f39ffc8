import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useEffect, useRef, type ReactNode } from "react";
import { count } from "../lib/format";
import { useIsPhone } from "../lib/hooks";
import { useArrowKeys } from "./arrow-list";
import { Spinner } from "./button";
import { cx } from "./cx";

export interface Column<T> {
  id: string;
  header: string;
  /** CSS grid track, such as "minmax(10rem, 2fr)". */
  width: string;
  cell: (row: T) => ReactNode;
  align?: "end";
  /** Sort values for ascending and descending; either may be missing. */
  sort?: { asc?: string; desc?: string };
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  /** On phones a row becomes a card. */
  card: (row: T) => ReactNode;
  cardHeight?: number;
  onOpen?: (row: T) => void;
  total?: number | null;
  sort?: string;
  onSort?: (sort: string) => void;
  hasMore?: boolean;
  loadingMore?: boolean;
  onMore?: () => void;
  /** Height of the scrolling area; rows outside it are not in the document. */
  height?: string;
  rowHeight?: number;
}

/** A windowed table: only the rows in view exist, more are fetched as the end comes near. */
export function DataGrid<T>({ label, columns, rows, rowKey, card, cardHeight = 92, onOpen, total, sort, onSort, hasMore, loadingMore, onMore, height, rowHeight = 48 }: Props<T>) {
  const phone = useIsPhone();
  const scroller = useRef<HTMLDivElement>(null);
  const size = phone ? cardHeight : rowHeight;
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => size, overscan: 12, getItemKey: (index) => rowKey(rows[index]!) });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => virtual.measure(), [size, virtual]);
  useEffect(() => {
    if (hasMore && !loadingMore && last >= rows.length - 25) onMore?.();
  }, [hasMore, loadingMore, last, rows.length, onMore]);

  const grid = useRef<HTMLDivElement>(null);
  const wanted = useRef<number | null>(null);
  const keys = useArrowKeys(grid, {
    item: "[role=row]",
    onEdge: (edge) => {
      wanted.current = edge === "first" ? 0 : rows.length - 1;
      virtual.scrollToIndex(wanted.current);
      focusWanted();
    },
  });
  const focusWanted = () => {
    const row = wanted.current === null ? null : grid.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"]`);
    if (!row) return;
    wanted.current = null;
    row.focus();
  };
  useEffect(focusWanted);
  /** Enter on a row does what a click on it does; where that is nothing, what its first link or button does. */
  const openRow = (element: HTMLElement, row: T) => (onOpen ? onOpen(row) : element.querySelector<HTMLElement>("a[href],button")?.click());

  const template = columns.map((column) => column.width).join(" ");
  const shownHeight = height ?? `min(calc(100dvh - 260px), ${rows.length * size + (phone ? 0 : 42)}px)`;
  return (
    <div className="overflow-hidden bg-solid">
      <div ref={scroller} role="region" aria-label={label} className="overflow-auto overscroll-contain outline-offset-[-2px]" style={{ height: shownHeight, minHeight: Math.min(rows.length, 6) * size }}>
        <div ref={grid} {...keys} role="grid" aria-label={label} aria-rowcount={(total ?? rows.length) + 1} className={phone ? undefined : "min-w-fit"}>
          <HeaderRow columns={columns} template={template} hidden={phone} sort={sort} onSort={onSort} />
          <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
            {items.map((item) => {
              const row = rows[item.index]!;
              return (
                <div
                  key={item.key}
                  role="row"
                  aria-rowindex={item.index + 2}
                  tabIndex={-1}
                  data-index={item.index}
                  onKeyDown={(event) => event.key === "Enter" && event.target === event.currentTarget && openRow(event.currentTarget, row)}
                  onClick={(event) => onOpen && !(event.target as HTMLElement).closest("a,button,label,input") && onOpen(row)}
                  className={cx("absolute inset-x-0 top-0 border-b border-line", onOpen && "cursor-pointer hover:bg-hover", phone ? "block px-4 py-3" : "grid items-center gap-4 px-5")}
                  style={{ scrollMarginTop: 42, height: size, transform: `translateY(${item.start}px)`, gridTemplateColumns: phone ? undefined : template }}
                >
                  {phone ? (
                    <div role="gridcell" className="min-w-0">{card(row)}</div>
                  ) : (
                    columns.map((column) => (
                      <div key={column.id} role="gridcell" className={cx("min-w-0 truncate", column.align === "end" && "text-right tabular")}>
                        {column.cell(row)}
                      </div>
                    ))
                  )}
                </div>
              );
            })}
          </div>
        </div>
      </div>
      <GridFooter loaded={rows.length} total={total ?? undefined} loadingMore={loadingMore} />
    </div>
  );
}

function HeaderRow<T>({ columns, template, hidden, sort, onSort }: { columns: Column<T>[]; template: string; hidden: boolean; sort?: string; onSort?: (sort: string) => void }) {
  return (
    <div role="rowgroup" className={hidden ? "sr-only" : "sticky top-0 z-10 border-b border-line bg-sunken"}>
      <div role="row" aria-rowindex={1} className="grid h-[42px] items-center gap-4 px-5 text-xs font-medium text-muted" style={{ gridTemplateColumns: template }}>
        {columns.map((column) => {
          const up = column.sort?.asc !== undefined && sort === column.sort.asc;
          const down = column.sort?.desc !== undefined && sort === column.sort.desc;
          const next = down ? (column.sort?.asc ?? column.sort?.desc) : (column.sort?.desc ?? column.sort?.asc);
          return (
            <div key={column.id} role="columnheader" aria-sort={up ? "ascending" : down ? "descending" : undefined} className={cx("min-w-0 truncate", column.align === "end" && "text-right")}>
              {column.sort && onSort && next ? (
                <button type="button" disabled={hidden} className="inline-flex min-h-7 items-center gap-1 rounded-md hover:text-text" onClick={() => onSort(next)}>
                  {column.header}
                  {up && <ArrowUp aria-hidden className="size-3.5" />}
                  {down && <ArrowDown aria-hidden className="size-3.5" />}
                </button>
              ) : (
                column.header
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function GridFooter({ loaded, total, loadingMore }: { loaded: number; total?: number; loadingMore?: boolean }) {
  return (
    <div className="flex min-h-9 items-center gap-2 border-t border-line bg-sunken px-5 text-xs text-muted tabular">
      {loadingMore ? (
        <>
          <Spinner /> Loading more…
        </>
      ) : (
        <span>
          {count(loaded)} loaded{total !== undefined && ` of ${count(total)}`}
        </span>
      )}
    </div>
  );
}
