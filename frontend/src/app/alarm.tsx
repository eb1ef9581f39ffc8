import { useQuery } from "@tanstack/react-query";
import { Link, useRouterState } from "@tanstack/react-router";
import { meQuery } from "../api/identity";

/** On every page but the profile, which says more, until the person has confirmed it there. */
export function Alarm() {
  const alarms = useQuery(meQuery()).data?.alarms ?? 0;
  const there = useRouterState({ select: (state) => state.location.pathname === "/profile" });
  if (alarms === 0 || there) return null;
  return (
    <p role="alert" className="mb-5 rounded-md border border-bad bg-bad-soft px-4 py-3">
      <span className="font-medium text-bad">A session of yours was ended for safety.</span>{" "}
      <Link to="/profile" className="underline underline-offset-4">
        See what happened
      </Link>
    </p>
  );
}
