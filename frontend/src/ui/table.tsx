import type { ReactNode } from "react";
import { cx } from "./cx";

interface Props {
  label: string;
  head: { label: string; align?: "end"; narrow?: boolean }[];
  rows: { key: string; cells: ReactNode[] }[];
}

/** A short table, whole in the document; wide content scrolls inside it, not the page. */
export function SimpleTable({ label, head, rows }: Props) {
  return (
    <div className="overflow-x-auto bg-solid" tabIndex={0} role="region" aria-label={label}>
      <table className="w-full border-collapse text-left">
        <thead>
          <tr className="border-y border-line bg-sunken text-xs text-muted">
            {head.map((cell) => (
              <th key={cell.label} scope="col" className={cx("px-5 py-2.5 font-medium whitespace-nowrap", cell.align === "end" && "text-right")}>
                {cell.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key} className="border-b border-line last:border-0">
              {row.cells.map((cell, index) => (
                <td key={head[index]?.label ?? index} className={cx("px-5 py-2.5 align-top", head[index]?.align === "end" && "text-right tabular", head[index]?.narrow && "whitespace-nowrap")}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
