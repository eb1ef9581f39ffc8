import { ProgressBar } from "react-aria-components/ProgressBar";
import { count, percent } from "../lib/format";
import { cx } from "./cx";

export function Progress({ label, value, tone = "accent", showValue = true }: { label: string; value: number; tone?: "accent" | "ok" | "warn"; showValue?: boolean }) {
  const fills = { accent: "bg-accent", ok: "bg-ok", warn: "bg-warn" };
  return (
    <ProgressBar aria-label={label} value={value * 100} valueLabel={percent(value)} className="grid gap-1.5">
      {showValue && (
        <div className="flex justify-between text-sm">
          <span>{label}</span>
          <span className="tabular text-muted">{percent(value)}</span>
        </div>
      )}
      <div className="h-2 overflow-hidden rounded-full bg-line">
        <div className={cx("h-full rounded-full transition-[width] duration-200", fills[tone])} style={{ width: `${Math.min(100, value * 100)}%` }} />
      </div>
    </ProgressBar>
  );
}

export interface Part {
  id: string;
  label: string;
  value: number;
  tone: "ok" | "info" | "accent" | "warn" | "bad" | "neutral";
  /** A paler shade, for the lesser of two states of one tone. */
  pale?: boolean;
}

const fills: Record<Part["tone"], string> = {
  ok: "bg-ok", info: "bg-info", accent: "bg-accent", warn: "bg-warn", bad: "bg-bad", neutral: "bg-line-strong/60",
};

const fill = (part: Part): string => cx(fills[part.tone], part.pale && "opacity-55");

/** A whole divided into parts that sum to it; every part with people in it stays visible. */
export function PartsBar({ label, parts, thin }: { label: string; parts: Part[]; thin?: boolean }) {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  const filled = parts.filter((part) => part.value > 0);
  const summary = filled.map((part) => `${part.label} ${count(part.value)}`).join(", ");
  return (
    <div role="img" aria-label={`${label}: ${summary || "none yet"}`} className={cx("flex gap-px overflow-hidden rounded-full bg-line", thin ? "h-1.5" : "h-3")}>
      {filled.map((part) => (
        <div key={part.id} title={`${part.label}: ${count(part.value)}`} className={cx("min-w-[3px] transition-[flex-grow] duration-200", fill(part))} style={{ flexGrow: part.value / total, flexBasis: 0 }} />
      ))}
    </div>
  );
}

export function PartsLegend({ parts, all }: { parts: Part[]; all?: boolean }) {
  return (
    <ul className="flex flex-wrap gap-x-5 gap-y-1.5 text-sm">
      {parts
        .filter((part) => all || part.value > 0)
        .map((part) => (
          <li key={part.id} className="flex items-center gap-2">
            <span aria-hidden className={cx("size-2.5 rounded-[3px]", fill(part))} />
            <span className="text-muted">{part.label}</span>
            <span className="font-medium tabular">{count(part.value)}</span>
          </li>
        ))}
    </ul>
  );
}
