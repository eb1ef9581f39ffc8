import { useQuery } from "@tanstack/react-query";
import { Link, useRouterState } from "@tanstack/react-router";
import { holdQuery } from "../api/restore";
import { dateTime } from "../lib/format";
import { useAfter } from "../lib/hooks";

/** A page asks for what it shows first. */
const AFTER_MS = 1500;

/** On every page but the one that shows the gap, while the database is older than what was sent. */
export function HeldBanner() {
  const hold = useQuery({ ...holdQuery(), enabled: useAfter(AFTER_MS, true) }).data;
  const there = useRouterState({ select: (state) => state.location.pathname === "/streams" });
  if (hold?.state !== "held" || there) return null;
  return (
    <p role="alert" className="mb-5 rounded-md border border-bad bg-bad-soft px-4 py-3 wrap-anywhere">
      <span className="font-medium text-bad">{`Sending is held since ${hold.since ? dateTime(hold.since) : "a moment ago"}.`}</span>{" "}
      The database is older than what was sent. No message and no mail leaves.{" "}
      <Link to="/streams" className="underline underline-offset-4">
        See why and what to do
      </Link>
    </p>
  );
}
