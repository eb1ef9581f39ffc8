import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { accountsQuery, changeRole, disableAccount, enableAccount } from "../../api/access";
import { meQuery } from "../../api/identity";
import { useMay } from "../../lib/permissions";
import type { Account, Role } from "../../api/types";
import { date, sentence } from "../../lib/format";
import { Button, buttonClass } from "../../ui/button";
import { ConfirmDialog } from "../../ui/dialog";
import { Card, PageHeader } from "../../ui/layout";
import { Select } from "../../ui/select";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { KeyList } from "./keys";
import { AccountSessions, AccountTwoStep, OwnSecurity } from "./security";
import { RoleChip, RoleMeaning, roleOptions, StatusChip } from "./parts";

export default function AccountPage() {
  const { accountId } = useParams({ from: "/accounts/$accountId" });
  const accounts = useInfiniteQuery(accountsQuery());
  const found = accounts.data?.pages.flatMap((page) => page.items).find((account) => account.id === accountId);
  return (
    <QueryState query={accounts} skeleton={<Skeleton rows={3} height={120} />}>
      {found ? (
        <Shown account={found} />
      ) : (
        <>
          <PageHeader title="Account" back={{ to: "/accounts", label: "Accounts" }} />
          <div className="card">
            <EmptyState title="The account is not among those that are loaded" action={accounts.hasNextPage && <Button onPress={() => void accounts.fetchNextPage()}>Load more accounts</Button>}>
              You may also lack the permission to see it.
            </EmptyState>
          </div>
        </>
      )}
    </QueryState>
  );
}

function Shown({ account }: { account: Account }) {
  const me = useQuery(meQuery()).data;
  const mayManage = useMay("accounts:manage") === true;
  const mayRead = useMay("audit:read") === true;
  const mine = me?.id === account.id;
  return (
    <>
      <PageHeader
        title={account.display_name}
        back={{ to: "/accounts", label: "Accounts" }}
        meta={
          <>
            <RoleChip role={account.role} />
            <StatusChip status={account.status} />
            <span>{account.email ?? "No email yet"}</span>
            <span>since {date(account.created_at)}</span>
          </>
        }
        actions={
          <>
            {mayRead && (
              <Link to="/audit" search={{ actor_id: account.id }} className={buttonClass()}>
                Activity
              </Link>
            )}
            {mayManage && <Standing account={account} mine={mine} />}
          </>
        }
      />
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1.5fr)_minmax(19rem,1fr)]">
        <div className="grid gap-4">
          {mayManage || mine ? (
            <Card title="API keys" padded={false}>
              <KeyList accountId={account.id} />
            </Card>
          ) : (
            <Card title="API keys">
              <p className="text-muted">Only an admin sees the keys of others.</p>
            </Card>
          )}
          {mayManage && !mine && <AccountSessions account={account} />}
          {mayManage && !mine && <AccountTwoStep account={account} />}
          {mine && <OwnSecurity />}
        </div>
        <RoleCard key={account.role} account={account} mayManage={mayManage} mine={mine} />
      </div>
    </>
  );
}

function RoleCard({ account, mayManage, mine }: { account: Account; mayManage: boolean; mine: boolean }) {
  const cache = useQueryClient();
  const [role, setRole] = useState<Role>(account.role);
  const [asking, setAsking] = useState(false);
  const refresh = () => Promise.all([cache.invalidateQueries({ queryKey: ["accounts", "list"] }), mine ? cache.invalidateQueries({ queryKey: ["me"] }) : null]);
  const give = async (wanted: Role) => {
    await changeRole(account.id, wanted);
    await refresh();
  };
  const save = async () => {
    const before = account.role;
    await give(role);
    const said = `${account.display_name} is ${role === "viewer" ? "a" : "an"} ${role} now`;
    if (mine) toast.done(said);
    else toast.undo(said, () => void give(before).catch(toast.failed));
  };
  return (
    <Card title="Role">
      <div className="grid gap-4">
        <Select
          label="Role"
          value={role}
          onChange={setRole}
          options={roleOptions}
          disabled={!mayManage}
          hint={mayManage ? "Takes effect immediately for changes and within a second for reads." : "Only an admin changes it."}
        />
        {mayManage && (
          <Button variant="primary" className="justify-self-start" isDisabled={role === account.role} onPress={() => setAsking(true)}>
            Change role
          </Button>
        )}
        <RoleMeaning role={role} />
      </div>
      <ConfirmDialog title={`Make ${account.display_name} ${role === "viewer" ? "a" : "an"} ${role}?`} open={asking} onClose={() => setAsking(false)} onConfirm={save} action={`Make ${sentence(role).toLowerCase()}`} danger={mine}>
        {mine ? <p>This is your own account: you may not be able to take it back yourself.</p> : <p>Their sessions continue with the new role. Their API keys never allow more than the role does.</p>}
      </ConfirmDialog>
    </Card>
  );
}

function Standing({ account, mine }: { account: Account; mine: boolean }) {
  const cache = useQueryClient();
  const [asking, setAsking] = useState(false);
  const refresh = () => cache.invalidateQueries({ queryKey: ["accounts", "list"] });
  const enable = async () => {
    await enableAccount(account.id);
    await refresh();
    toast.done(`${account.display_name} can sign in again`);
  };
  const disable = async () => {
    await disableAccount(account.id);
    await refresh();
    toast.undo(`${account.display_name} is disabled`, () => void enable().catch(toast.failed));
  };
  if (account.status === "disabled") return <Button onPress={() => void enable().catch(toast.failed)}>Enable</Button>;
  return (
    <>
      <Button variant="danger" onPress={() => setAsking(true)}>
        Disable
      </Button>
      <ConfirmDialog title={`Disable ${account.display_name}?`} open={asking} onClose={() => setAsking(false)} onConfirm={disable} action="Disable account" danger>
        <p>Their sessions end, and their API keys stop working until you enable the account again. What they created is not affected.</p>
        {mine && <p className="font-medium">This is your own account: you will be signed out.</p>}
      </ConfirmDialog>
    </>
  );
}
