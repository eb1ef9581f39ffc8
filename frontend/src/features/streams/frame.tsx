import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { groupsQuery } from "../../api/backbone";
import { count } from "../../lib/format";
import { PageHeader } from "../../ui/layout";

const tabs = [
  { to: "/streams", label: "Streams" },
  { to: "/streams/groups", label: "Groups" },
  { to: "/streams/tail", label: "Live tail" },
  { to: "/streams/dead-letters", label: "Dead letters" },
  { to: "/streams/replays", label: "Replays" },
] as const;

/** The five views of the event log; each has an address of its own. */
export default function StreamsFrame() {
  const groups = useQuery(groupsQuery());
  const path = useRouterState({ select: (state) => state.location.pathname });
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    bar.current?.querySelector('[aria-current="page"]')?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [path]);
  const dead = groups.data?.items.reduce((sum, group) => sum + group.dead_letters, 0) ?? 0;
  return (
    <>
      <PageHeader title="Event streams" />
      <nav ref={bar} aria-label="Event streams" className="mb-5 flex gap-1 border-b border-line max-sm:flex-wrap sm:overflow-x-auto">
        {tabs.map((tab) => (
          <Link
            key={tab.to}
            to={tab.to}
            activeOptions={{ exact: true, includeSearch: false }}
            className="flex min-h-10 shrink-0 items-center gap-2 rounded-t-md border-b-2 border-transparent px-3.5 font-medium text-muted outline-offset-[-2px] hover:bg-hover hover:text-text aria-[current=page]:border-accent aria-[current=page]:text-text pointer-coarse:min-h-11"
          >
            {tab.label}
            {tab.to === "/streams/dead-letters" && dead > 0 && (
              <span className="rounded-full bg-bad-soft px-2 text-xs text-bad tabular">
                {count(dead)}
                <span className="sr-only"> open</span>
              </span>
            )}
          </Link>
        ))}
      </nav>
      <Outlet />
    </>
  );
}
