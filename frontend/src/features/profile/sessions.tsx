import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Monitor } from "lucide-react";
import { useState } from "react";
import { endOtherSessions, endSession, sessionsQuery } from "../../api/identity";
import type { Session } from "../../api/types";
import { ago, dateTime, plural } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { ConfirmDialog } from "../../ui/dialog";
import { Card } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { endings, methods } from "./words";

/** Where one is signed in; what ended within 30 days is below, with the reason. */
export function Sessions() {
  const cache = useQueryClient();
  const query = useQuery(sessionsQuery());
  const [asking, setAsking] = useState(false);
  const going = (query.data?.items ?? []).filter((one) => one.ended_at === null);
  const ended = (query.data?.items ?? []).filter((one) => one.ended_at !== null);
  const others = going.filter((one) => !one.current).length;
  const end = useMutation({
    mutationFn: (session: Session) => endSession(session.id),
    onSuccess: (_, session) => toast.done(`${session.device} is signed out`),
    onError: toast.failed,
    onSettled: () => cache.invalidateQueries({ queryKey: ["sessions"] }),
  });
  const endOthers = async () => {
    const { ended: count } = await endOtherSessions();
    await cache.invalidateQueries({ queryKey: ["sessions"] });
    toast.done(`${plural(count, "session")} ended`);
  };
  return (
    <Card
      title="Sessions"
      padded={false}
      aside={
        others > 0 && (
          <Button size="sm" variant="danger" onPress={() => setAsking(true)}>
            End all others
          </Button>
        )
      }
    >
      <QueryState query={query} skeleton={<Skeleton rows={2} className="p-5" />}>
        <ul aria-label="Sessions that go on">
          {going.map((session) => (
            <Row key={session.id} session={session} onEnd={() => end.mutate(session)} pending={end.isPending && end.variables.id === session.id} />
          ))}
        </ul>
        {going.length === 0 && <p className="px-5 py-4 text-muted">No session goes on: you came without one.</p>}
        {ended.length > 0 && (
          <details className="border-t border-line">
            <summary className="min-h-11 cursor-pointer px-5 py-3 text-sm text-muted hover:text-text">{`Ended within 30 days: ${ended.length}`}</summary>
            <ul aria-label="Sessions that ended">
              {ended.map((session) => (
                <Row key={session.id} session={session} />
              ))}
            </ul>
          </details>
        )}
      </QueryState>
      {asking && (
        <ConfirmDialog title={`End ${plural(others, "other session")}?`} open onClose={() => setAsking(false)} onConfirm={endOthers} action="End them" danger>
          <p>Whoever uses them has to sign in again. What they had open stops within five seconds; a page that only shows live figures, within ten minutes.</p>
        </ConfirmDialog>
      )}
    </Card>
  );
}

function Row({ session, onEnd, pending }: { session: Session; onEnd?: () => void; pending?: boolean }) {
  const now = useNow();
  const reason = session.ended_reason && endings[session.ended_reason];
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 border-t border-line px-5 py-3">
      <Monitor aria-hidden className="size-5 shrink-0 text-muted max-sm:hidden" />
      <div className="min-w-0 grow basis-60">
        <p className="flex flex-wrap items-center gap-2 font-medium">
          {session.device}
          {session.current && <Chip tone="ok">This one</Chip>}
          {!session.seen && <Chip tone="bad">Look at this</Chip>}
        </p>
        <p className="text-sm text-muted">{`${session.address} · signed in ${dateTime(session.created_at)} ${methods[session.method]}`}</p>
        {session.ended_at ? (
          <p className="text-sm text-muted">{`Ended ${dateTime(session.ended_at)}: ${reason}`}</p>
        ) : (
          <p className="text-sm text-muted">{`Last used ${ago(session.last_used_at, Math.max(now, new Date(session.last_used_at).getTime()))}`}</p>
        )}
      </div>
      {onEnd && !session.current && (
        <Button size="sm" aria-label={`End the session of ${session.device}, ${session.address}`} isPending={pending} onPress={onEnd}>
          End
        </Button>
      )}
    </li>
  );
}
