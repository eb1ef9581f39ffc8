import { useCallback, useEffect, useState } from "react";
import { useQueryClient } from "@tanstack/react-query";
import { useLive, useLiveState } from "../../realtime/client";
import { tapEvents, useBacklog } from "../../realtime/monitoring";
import type { Row } from "../../realtime/backlog";
import { plural } from "../../lib/format";
import { useTick } from "../../lib/hooks";
import { Chip } from "../../ui/chip";
import { PageHeader } from "../../ui/layout";
import { BreakersCard } from "./breakers";
import { ErrorsCard } from "./errors";
import { EventDrawer } from "./event";
import { EventsCard } from "./events";
import { AccountingCard } from "./accounting";
import { PersisterCard } from "./persister";
import { PoolsCard } from "./pools";
import { ValidationCard } from "./validation";
import { lineOf } from "./words";

/** What happens inside the platform as it happens, and proof that none of it is lost without being counted. */
export default function Monitoring() {
  useLive("monitoring");
  useTransitions();
  const backlog = useBacklog();
  const [opened, setOpened] = useState<Row | null>(null);
  return (
    <>
      <PageHeader
        title="Monitoring"
        meta={
          <>
            <LineChip />
            {backlog.missed > 0 && <span className="text-warn tabular">{plural(backlog.missed, "event")} were not shown: replaced by newer ones, dropped, or older than the channel’s history.</span>}
          </>
        }
      />
      <div className="grid gap-4">
        <ErrorsCard rows={backlog.critical} ready={backlog.position !== ""} onOpen={setOpened} />
        <EventsCard backlog={backlog} onOpen={setOpened} />
        <div className="grid gap-4 lg:grid-cols-2">
          <BreakersCard rows={backlog.critical} />
          <div className="grid content-start gap-4">
            <PersisterCard />
            <PoolsCard />
          </div>
        </div>
        <AccountingCard />
        <ValidationCard />
      </div>
      {opened && <EventDrawer row={opened} onClose={() => setOpened(null)} />}
    </>
  );
}

function LineChip() {
  const live = useLiveState();
  const { catchingUp } = useBacklog();
  const now = useTick(1000);
  const line = lineOf(live.status, catchingUp, live.heardAt, now);
  return (
    <span role="status" aria-label="Live connection" className="inline-flex items-center gap-2" title={line.explain}>
      <Chip tone={line.tone} live={line.isLive}>
        {line.word}
      </Chip>
    </span>
  );
}

/** A breaker that changes is shown at once, not at the next look. */
function useTransitions(): void {
  const cache = useQueryClient();
  const onEvent = useCallback(
    (row: Row) => {
      if (row.event_type === "circuit_breaker_transition") void cache.invalidateQueries({ queryKey: ["monitoring", "breakers"] });
    },
    [cache],
  );
  useEffect(() => tapEvents(onEvent), [onEvent]);
}
