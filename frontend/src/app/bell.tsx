import { useQuery } from "@tanstack/react-query";
import { Bell as BellIcon } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { alertSummaryQuery } from "../api/alerts";
import { plural } from "../lib/format";
import { useAfter } from "../lib/hooks";
import { cx } from "../ui/cx";

const load = () => import("./notifications");
const Notifications = lazy(load);
const FIRST_LOOK_MS = 1500;
const look = "relative grid size-9 shrink-0 place-items-center rounded-full border border-line-strong bg-solid text-muted hover:text-text pointer-coarse:size-11";

/** How many alerts fire and how many you have not looked at; what they are comes with the first press. */
export function Bell() {
  const [wanted, setWanted] = useState(false);
  const settled = useAfter(FIRST_LOOK_MS, true); // the page's own content goes first
  const summary = useQuery({ ...alertSummaryQuery(), enabled: settled }).data;
  const firing = summary?.firing ?? 0;
  const unread = summary?.unread ?? 0;
  const label = summary ? `Alerts: ${firing === 0 ? "none firing" : `${plural(firing, "alert")} firing`}${unread > 0 ? `, ${unread} unread` : ""}` : "Alerts";
  const face = (
    <>
      <BellIcon aria-hidden className="size-[18px]" />
      {firing > 0 && (
        <span aria-hidden className={cx("absolute -top-1 -right-1 grid h-[18px] min-w-[18px] place-items-center rounded-full border px-1 text-[11px] leading-none font-semibold tabular", unread > 0 ? "border-bad bg-bad-soft text-bad" : "border-line-strong bg-solid text-muted")}>
          {firing > 99 ? "99+" : firing}
        </span>
      )}
    </>
  );
  const plain = (
    <button type="button" aria-haspopup="dialog" aria-label={label} className={look} onClick={() => setWanted(true)} onPointerEnter={() => void load()} onFocus={() => void load()}>
      {face}
    </button>
  );
  if (!wanted) return plain;
  return (
    <Suspense fallback={plain}>
      <Notifications label={label} look={look} face={face} />
    </Suspense>
  );
}
