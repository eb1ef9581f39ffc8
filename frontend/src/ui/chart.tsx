import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import { useTheme } from "../lib/appearance";
import { clockTime, count, dayTime, duration, time } from "../lib/format";
import { cx } from "./cx";

export interface Series {
  id: string;
  label: string;
  /** CSS custom property of the colour, such as "--chart-1". */
  color: string;
  /** Lines differ by dash as well as by colour. */
  dash?: number[];
  fill?: boolean;
  values: number[];
}

interface Props {
  label: string;
  /** ISO times, one per value. */
  times: string[];
  /** How long one point lasts. */
  seconds: number;
  series: Series[];
  height?: number;
}

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const MINUTE = 60;
const TICKS = [1, 2, 5, 10, 15, 30, ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080].map((minutes) => minutes * MINUTE)];
const POINTS_AT_LEAST = 5;
const DOTS_UP_TO = 12;

/** A point of less than a minute is told with its second, one of an hour with its day. */
const labelFor = (seconds: number): ((at: number | string) => string) => (seconds < MINUTE ? time : seconds >= 15 * MINUTE ? dayTime : clockTime);

function options(series: Series[], seconds: number, width: number, height: number): uPlot.Options {
  const axis = { stroke: css("--muted"), font: "11px Inter Variable, sans-serif", ticks: { show: false }, grid: { stroke: css("--line"), width: 1 } };
  return {
    width,
    height,
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: false, y: false } },
    scales: { x: { time: true, range: (_plot, min, max) => [min, Math.max(max, min + POINTS_AT_LEAST * seconds)] }, y: { range: (_plot, _min, max) => [0, Math.max(4, max * 1.12)] } },
    axes: [
      { ...axis, grid: { show: false }, space: seconds >= 15 * MINUTE ? 96 : 72, size: 30, incrs: TICKS, values: (_plot, ticks, _axis, _space, step) => ticks.map((tick) => (step < MINUTE ? time : labelFor(Math.max(seconds, MINUTE)))(tick * 1000)) },
      { ...axis, size: 48, splits: undefined, values: (_plot, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : "")) },
    ],
    series: [
      {},
      ...series.map((line) => ({
        label: line.label,
        stroke: css(line.color),
        width: 2,
        dash: line.dash,
        fill: line.fill ? `color-mix(in srgb, ${css(line.color)} 14%, transparent)` : undefined,
        points: { show: (plot: uPlot) => (plot.data[0]?.length ?? 0) <= DOTS_UP_TO, size: 6, fill: css(line.color) },
      })),
    ],
  };
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Lines over time, drawn by uPlot; the same numbers as a table for those who read rather than look. */
export function TimeChart({ label, times, seconds, series, height = 230 }: Props) {
  const [view, setView] = useState<"chart" | "table">("chart");
  const shown = { label, times, seconds, series, height };
  return (
    <div>
      <div className="mb-2 flex flex-wrap items-center justify-between gap-3">
        <ul className="flex flex-wrap gap-x-4 gap-y-1 text-sm">
          {series.map((line) => (
            <li key={line.id} className="flex items-center gap-2">
              <svg aria-hidden width="18" height="4">
                <line x1="0" y1="2" x2="18" y2="2" stroke={`var(${line.color})`} strokeWidth="3" strokeDasharray={line.dash?.join(" ")} />
              </svg>
              <span className="text-muted">{line.label}</span>
              <span className="font-medium tabular">{count(sum(line.values))}</span>
            </li>
          ))}
        </ul>
        <button
          type="button"
          aria-pressed={view === "table"}
          onClick={() => setView(view === "chart" ? "table" : "chart")}
          className="min-h-8 rounded-md border border-line-strong bg-solid px-3 text-sm font-medium hover:bg-sunken aria-pressed:border-accent aria-pressed:bg-accent-soft pointer-coarse:min-h-11"
        >
          Table
        </button>
      </div>
      {view === "chart" ? <Plot {...shown} /> : <ChartTable {...shown} />}
    </div>
  );
}

function Plot({ label, times, seconds, series, height }: Required<Props>) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [hover, setHover] = useState<number | null>(null);
  const theme = useTheme();
  const data = useMemo<uPlot.AlignedData>(() => [times.map((at) => new Date(at).getTime() / 1000), ...series.map((line) => line.values)], [times, series]);
  const latest = useRef({ data, series });
  latest.current = { data, series };
  const shape = series.map((line) => line.id).join();

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(
      { ...options(latest.current.series, seconds, element.clientWidth, height), hooks: { setCursor: [(self) => setHover(self.cursor.idx ?? null)] } },
      latest.current.data,
      element,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, theme, seconds, height]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  const at = hover === null ? undefined : times[hover];
  return (
    <div className="relative">
      <div ref={box} role="img" aria-label={`${label}. ${series.map((line) => `${line.label}: ${count(sum(line.values))} in total, most in ${duration(seconds)} ${count(Math.max(0, ...line.values))}`).join(". ")}`} style={{ height }} />
      {at !== undefined && hover !== null && (
        <div aria-hidden className={cx("pointer-events-none absolute top-1 rounded-md border border-line bg-solid px-2.5 py-1.5 text-xs shadow-card", hover > times.length / 2 ? "left-14" : "right-2")}>
          <p className="font-medium">{labelFor(seconds)(at)}</p>
          {series.map((line) => (
            <p key={line.id} className="flex justify-between gap-4 tabular">
              <span className="text-muted">{line.label}</span>
              {count(line.values[hover] ?? 0)}
            </p>
          ))}
        </div>
      )}
    </div>
  );
}

function ChartTable({ label, times, seconds, series, height }: Required<Props>) {
  return (
    <div className="overflow-auto rounded-md border border-line bg-solid" style={{ height }} tabIndex={0} role="region" aria-label={`${label}, table`}>
      <table className="w-full text-right text-sm tabular">
        <thead className="sticky top-0 bg-sunken text-xs text-muted">
          <tr>
            <th scope="col" className="px-3 py-2 text-left font-medium">From</th>
            {series.map((line) => (
              <th key={line.id} scope="col" className="px-3 py-2 font-medium">{line.label}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((at, index) => (
            <tr key={at} className="border-t border-line">
              <th scope="row" className="px-3 py-1.5 text-left font-normal">{labelFor(seconds)(at)}</th>
              {series.map((line) => (
                <td key={line.id} className="px-3 py-1.5">{count(line.values[index] ?? 0)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
