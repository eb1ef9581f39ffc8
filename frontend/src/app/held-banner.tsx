import { useQuery } from "@tanstack/react-query";
import { Link, useRouterState } from "@tanstack/react-router";
import { holdsQuery } from "../api/monitoring";
import { holdQuery } from "../api/restore";
import type { HoldOnPart } from "../api/types";
import { dateTime } from "../lib/format";
import { useAfter } from "../lib/hooks";
import { heldWords } from "./held";

/** A page asks for what it shows first. */
const AFTER_MS = 1500;
const SHOWN_MAX = 3;

/** On every page but the one that shows the same: what keeps messages from leaving, as a fact and before anything has come of it. */
export function HeldBanner() {
  const asks = useAfter(AFTER_MS, true);
  const restored = useQuery({ ...holdQuery(), enabled: asks }).data;
  const holds = useQuery({ ...holdsQuery(), enabled: asks }).data?.items ?? [];
  const path = useRouterState({ select: (state) => state.location.pathname });
  return (
    <>
      {restored?.state === "held" && path !== "/streams" && (
        <p role="alert" className={`${banner} border-bad bg-bad-soft`}>
          <span className="font-medium text-bad">{`Sending has been on hold since ${restored.since ? dateTime(restored.since) : "a moment ago"}.`}</span> The database was restored to a time before the last messages were sent. No messages and no emails go out.{" "}
          <Link to="/streams" className={link}>
            See why and what to do
          </Link>
        </p>
      )}
      {holds.slice(0, SHOWN_MAX).map((hold) => (
        <Hold key={`${hold.kind} ${hold.name} ${hold.process}`} hold={hold} />
      ))}
      {holds.length > SHOWN_MAX && <p className="mb-5 text-sm text-muted">{`${holds.length - SHOWN_MAX} more under Monitoring and Event streams.`}</p>}
    </>
  );
}

const banner = "mb-5 rounded-md border px-4 py-3 wrap-anywhere";
const link = "underline underline-offset-4";

function Hold({ hold }: { hold: HoldOnPart }) {
  const { headline, detail } = heldWords(hold);
  return (
    <p role="alert" className={`${banner} ${hold.stops_sending ? "border-bad bg-bad-soft" : "border-warn bg-warn-soft"}`}>
      <span className={`font-medium ${hold.stops_sending ? "text-bad" : "text-warn"}`}>{headline}</span> {detail}{" "}
      <Link to={hold.kind === "group" ? "/streams/groups" : "/monitoring"} className={link}>
        {hold.kind === "group" ? "Resume it under Consumer groups" : "Reset it under Monitoring"}
      </Link>
    </p>
  );
}
