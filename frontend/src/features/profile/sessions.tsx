import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { endOtherSessions, endSession, sessionsQuery } from "../../api/identity";
import type { Session } from "../../api/types";
import { plural } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { ConfirmDialog } from "../../ui/dialog";
import { Card } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { SessionRow } from "./session-row";

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
        <ArrowList aria-label="Active sessions">
          {going.map((session) => (
            <SessionRow key={session.id} session={session} onEnd={() => end.mutate(session)} pending={end.isPending && end.variables.id === session.id} />
          ))}
        </ArrowList>
        {going.length === 0 && <p className="px-5 py-4 text-muted">No active sessions: you signed in without one.</p>}
        {ended.length > 0 && (
          <details className="border-t border-line">
            <summary className="min-h-11 cursor-pointer px-5 py-3 text-sm text-muted hover:text-text">{`Ended within 30 days: ${ended.length}`}</summary>
            <ul aria-label="Ended sessions">
              {ended.map((session) => (
                <SessionRow key={session.id} session={session} />
              ))}
            </ul>
          </details>
        )}
      </QueryState>
      {asking && (
        <ConfirmDialog title={`End ${plural(others, "other session")}?`} open onClose={() => setAsking(false)} onConfirm={endOthers} action="End them" danger>
          <p>Anyone using them must sign in again. Pages they have open stop working within seconds.</p>
        </ConfirmDialog>
      )}
    </Card>
  );
}
