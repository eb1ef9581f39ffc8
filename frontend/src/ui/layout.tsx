import { ChevronLeft } from "lucide-react";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, type ReactNode } from "react";
import { useLacks } from "../lib/permissions";
import type { Permission } from "../api/types";
import { cx } from "./cx";

interface HeaderProps {
  title: string;
  /** One line under the title: state, counts, freshness. */
  meta?: ReactNode;
  back?: { to: string; label: string };
  actions?: ReactNode;
  /** What its actions need: without it they are not shown, and a line says why. */
  needs?: Permission;
}

/** The page's name, focused on navigation so that a screen reader starts there. */
export function PageHeader({ title, meta, back, actions, needs }: HeaderProps) {
  const lacks = useLacks(needs);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Event Stream Engine`;
  }, [title]);
  useEffect(() => {
    const active = document.activeElement;
    if (active === null || active === document.body || active.closest("nav")) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="mb-5 grid gap-y-1.5">
      {back && (
        <Link to={back.to} className="-ml-1 inline-flex min-h-6 items-center gap-0.5 justify-self-start rounded-md pr-2 text-sm text-muted hover:text-text">
          <ChevronLeft aria-hidden className="size-4" />
          {back.label}
        </Link>
      )}
      <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-3">
        <h1 ref={heading} tabIndex={-1} className="min-w-0 flex-1 basis-60 text-xl font-semibold wrap-anywhere">
          {title}
        </h1>
        {actions && lacks === null && <div className="flex flex-wrap items-center gap-2 max-sm:order-last">{actions}</div>}
      </div>
      {(meta || lacks) && (
        <div className="flex min-h-7 flex-wrap items-center gap-x-3 gap-y-1 text-sm text-muted">
          {meta}
          {lacks && <span>{lacks}</span>}
        </div>
      )}
    </div>
  );
}

export function Card({ title, aside, children, className, padded = true }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; className?: string; padded?: boolean }) {
  return (
    <section className={cx("card min-w-0 overflow-hidden", className)}>
      {(title !== undefined || aside !== undefined) && (
        <div className="flex min-h-13 flex-wrap items-center justify-between gap-x-4 gap-y-1 px-5 pt-3 pb-1">
          <h2 className="text-md font-semibold">{title}</h2>
          {aside && <div className="flex items-center gap-2">{aside}</div>}
        </div>
      )}
      <div className={padded ? "px-5 pt-2 pb-5" : undefined}>{children}</div>
    </section>
  );
}

interface StatProps {
  label: string;
  value: ReactNode;
  hint?: ReactNode;
  tone?: "ok" | "warn" | "bad" | "info";
  to?: string;
}

const tones = { ok: "text-ok", warn: "text-warn", bad: "text-bad", info: "text-info" };

export function Stat({ label, value, hint, tone, to }: StatProps) {
  const body = (
    <>
      <dt className="text-sm text-muted">
        {to ? (
          <Link to={to} className="after:absolute after:inset-0 after:rounded-lg">
            {label}
          </Link>
        ) : (
          label
        )}
      </dt>
      <dd className={cx("mt-1 text-xl font-semibold tabular", tone && tones[tone])}>{value}</dd>
      {hint && <dd className="mt-1 text-xs text-muted">{hint}</dd>}
    </>
  );
  return <div className={cx("card min-w-0 px-4 py-3.5 sm:px-5 sm:py-4", to && "relative transition-colors hover:border-line-strong")}>{body}</div>;
}

export function Definition({ items }: { items: [string, ReactNode][] }) {
  return (
    <dl className="grid gap-x-6 gap-y-3 text-base">
      {items.map(([name, value]) => (
        <div key={name} className="grid grid-cols-[minmax(7rem,36%)_1fr] items-baseline gap-3">
          <dt className="text-sm text-muted">{name}</dt>
          <dd className="min-w-0 wrap-anywhere">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export const Kbd = ({ children }: { children: ReactNode }) => (
  <kbd className="inline-grid min-w-5 place-items-center rounded border border-line-strong bg-sunken px-1 font-sans text-[11px] leading-[18px] text-muted">{children}</kbd>
);
