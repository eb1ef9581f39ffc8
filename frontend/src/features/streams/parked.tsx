import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { RotateCw } from "lucide-react";
import { parkedQuery, retryParked } from "../../api/backbone";
import type { ParkedEvent } from "../../api/types";
import { ago } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { Drawer } from "../../ui/dialog";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { attemptsText } from "./words";

/** What failed and is tried again, and what waits behind it because it has the same key. */
export function ParkedDrawer({ group, onClose }: { group: string; onClose: () => void }) {
  const parked = useQuery(parkedQuery(group));
  const cache = useQueryClient();
  const retry = useMutation({
    mutationFn: () => retryParked(group),
    onSuccess: () => {
      toast.done("Retrying now");
      void cache.invalidateQueries({ queryKey: ["backbone"] });
    },
    onError: toast.failed,
  });
  const items = parked.data?.items ?? [];
  return (
    <Drawer title={`Parked in ${group}`} open onClose={onClose}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4 p-5">
        <p className="text-sm text-muted">A parked event delays only events with its own key. It is retried with growing pauses until it becomes a dead letter. Replayed and redriven events wait here for their turn, too.</p>
        <Button needs="streams:operate" size="sm" className="justify-self-start" icon={<RotateCw aria-hidden />} isDisabled={items.length === 0} isPending={retry.isPending} onPress={() => retry.mutate()}>
          Retry all now
        </Button>
        <QueryState query={parked} skeleton={<Skeleton rows={4} height={72} />}>
          {items.length === 0 ? (
            <EmptyState title="No parked events" />
          ) : (
            <ArrowList className="grid gap-3">
              {items.map((event) => (
                <Parked key={event.event_id} event={event} />
              ))}
            </ArrowList>
          )}
        </QueryState>
      </div>
    </Drawer>
  );
}

function Parked({ event }: { event: ParkedEvent }) {
  const now = useNow();
  const tried = event.failed + event.crashed + event.taken_over > 0;
  return (
    <li className="rounded-md border border-line bg-solid px-4 py-3">
      <p className="flex flex-wrap items-baseline justify-between gap-x-3">
        <Link to="/streams/events/$eventId" params={{ eventId: event.event_id }} className="font-medium underline-offset-4 hover:underline">
          {event.type}
        </Link>
        <span className="text-xs text-muted">{tried ? (event.next_attempt_at ? `again ${ago(event.next_attempt_at, now)}` : "") : "waits for its key"}</span>
      </p>
      <p className="font-mono text-xs wrap-anywhere text-muted">{event.key}</p>
      {tried && <p className="mt-1 text-xs text-muted">{attemptsText(event)}</p>}
      {event.error && <p className="mt-1 line-clamp-3 text-sm wrap-anywhere text-bad">{event.error}</p>}
    </li>
  );
}
