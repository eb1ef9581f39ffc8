import { Download } from "lucide-react";
import type { Permission } from "../api/types";
import { withQuery } from "../lib/address";
import { count } from "../lib/format";
import { useMay } from "../lib/permissions";
import { buttonClass } from "./button";

interface Props {
  path: string;
  /** The filters of the list beside it: the file holds what the list shows. */
  filters: object;
  /** How many rows the list has; left out where it does not count them. */
  total?: number | null;
  needs: Permission;
  /** What the rows are, where a page has several lists: "rejected rows". */
  what?: string;
  size?: "sm";
}

const narrows = (filters: object): boolean => Object.values(filters).some((value) => value !== undefined && value !== "");

/** "Export 108" of a filtered list, "Export all 6,007" of a whole one. */
export function exportLabel(filters: object, total?: number | null): string {
  if (total === undefined || total === null) return narrows(filters) ? "Export these" : "Export all";
  return narrows(filters) ? `Export ${count(total)}` : `Export all ${count(total)}`;
}

/** Downloads a list as CSV, narrowed as the page is; not shown to who may not. */
export function ExportLink({ path, filters, total, needs, what, size }: Props) {
  if (!useMay(needs)) return null;
  return (
    <a href={withQuery(path, filters)} download className={buttonClass("secondary", size)}>
      <Download aria-hidden /> {exportLabel(filters, total)}
      {what && ` ${what}`}
    </a>
  );
}
