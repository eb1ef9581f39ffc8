import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { accountSessionsQuery, endAccountSession, endAccountSessions, resetTwoStep } from "../../api/access";
import type { Account, Session } from "../../api/types";
import { plural } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { Button, buttonClass } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { ConfirmDialog } from "../../ui/dialog";
import { Card } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { SessionRow } from "../profile/session-row";

/** Where somebody else is signed in, for an admin, who ends one session or all of them. */
export function AccountSessions({ account }: { account: Account }) {
  const cache = useQueryClient();
  const query = useQuery(accountSessionsQuery(account.id));
  const [asking, setAsking] = useState(false);
  const going = (query.data?.items ?? []).filter((one) => one.ended_at === null);
  const ended = (query.data?.items ?? []).filter((one) => one.ended_at !== null);
  const refresh = () => cache.invalidateQueries({ queryKey: ["accounts", account.id, "sessions"] });
  const end = useMutation({
    mutationFn: (session: Session) => endAccountSession(account.id, session.id),
    onSuccess: (_, session) => toast.done(`${account.display_name} is signed out of ${session.device}`),
    onError: toast.failed,
    onSettled: refresh,
  });
  const endAll = async () => {
    const { ended: count } = await endAccountSessions(account.id);
    await refresh();
    toast.done(`${plural(count, "session")} ended`);
  };
  return (
    <Card
      title="Sessions"
      padded={false}
      aside={
        going.length > 0 && (
          <Button size="sm" variant="danger" onPress={() => setAsking(true)}>
            End all
          </Button>
        )
      }
    >
      <QueryState query={query} skeleton={<Skeleton rows={2} className="p-5" />}>
        <ArrowList aria-label="Active sessions">
          {going.map((session) => (
            <SessionRow key={session.id} session={session} theirs onEnd={() => end.mutate(session)} pending={end.isPending && end.variables.id === session.id} />
          ))}
        </ArrowList>
        {going.length === 0 && <p className="px-5 py-4 text-muted">No active sessions.</p>}
        {ended.length > 0 && (
          <details className="border-t border-line">
            <summary className="min-h-11 cursor-pointer px-5 py-3 text-sm text-muted hover:text-text">{`Ended within 30 days: ${ended.length}`}</summary>
            <ul aria-label="Ended sessions">
              {ended.map((session) => (
                <SessionRow key={session.id} session={session} theirs />
              ))}
            </ul>
          </details>
        )}
      </QueryState>
      <ConfirmDialog title={`End ${plural(going.length, "session")} of ${account.display_name}?`} open={asking} onClose={() => setAsking(false)} onConfirm={endAll} action="End them" danger>
        <p>Anyone using them must sign in again. API keys are not affected; revoke them one by one.</p>
      </ConfirmDialog>
    </Card>
  );
}

/** For somebody who has lost their authenticator and their backup codes. */
export function AccountTwoStep({ account }: { account: Account }) {
  const cache = useQueryClient();
  const [asking, setAsking] = useState(false);
  const reset = async () => {
    await resetTwoStep(account.id);
    await cache.invalidateQueries({ queryKey: ["accounts", "list"] });
    toast.done(`${account.display_name} signs in with the password alone now`);
  };
  return (
    <Card title="Two-step sign-in" aside={<Chip tone={account.mfa_enabled ? "ok" : "neutral"}>{account.mfa_enabled ? "On" : "Off"}</Chip>}>
      {account.mfa_enabled ? (
        <div className="grid gap-4">
          <p className="text-muted">Use this for a person who has lost both the authenticator and the backup codes.</p>
          <Button variant="danger" className="justify-self-start" onPress={() => setAsking(true)}>
            Reset two-step sign-in
          </Button>
        </div>
      ) : (
        <p className="text-muted">Each person turns it on for themselves, in their profile.</p>
      )}
      <ConfirmDialog title={`Reset two-step sign-in of ${account.display_name}?`} open={asking} onClose={() => setAsking(false)} onConfirm={reset} action="Reset" danger>
        <p>Verify the person’s identity first: afterwards their password alone is enough to sign in. They are notified by email if the platform sends email.</p>
      </ConfirmDialog>
    </Card>
  );
}

/** One's own account: what an admin does to others, one does in the profile. */
export function OwnSecurity() {
  return (
    <Card title="Sessions and two-step sign-in">
      <p className="mb-4 text-muted">This is your own account.</p>
      <Link to="/profile" className={buttonClass()}>
        Go to my profile
      </Link>
    </Card>
  );
}
