import { Monitor } from "lucide-react";
import type { Session } from "../../api/types";
import { ago, dateTime } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { endings, methods } from "./words";

/** One session of a list, of one's own or of another; without `onEnd` it cannot be ended by itself. */
export function SessionRow({ session, theirs, onEnd, pending }: { session: Session; theirs?: boolean; onEnd?: () => void; pending?: boolean }) {
  const now = useNow();
  const reason = session.ended_reason && (theirs && session.ended_reason === "ended" ? "ended by themselves" : endings[session.ended_reason]);
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
