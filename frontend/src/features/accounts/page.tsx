import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";
import { accountsQuery, addAccount } from "../../api/access";
import { meQuery } from "../../api/identity";
import { useMay } from "../../lib/permissions";
import { asProblem } from "../../api/problem";
import type { Account, Role } from "../../api/types";
import { date } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { PageHeader } from "../../ui/layout";
import { Select } from "../../ui/select";
import { Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { RoleChip, roleOptions, StatusChip } from "./parts";

export default function Accounts() {
  const accounts = useInfiniteQuery(accountsQuery());
  const me = useQuery(meQuery()).data;
  const mayManage = useMay("accounts:manage");
  const [adding, setAdding] = useState(false);
  const shown = accounts.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <PageHeader
        title="Accounts"
        meta={mayManage === false && <span>You see your own account; an admin sees and changes all.</span>}
        actions={
          mayManage && (
            <Button variant="primary" icon={<Plus aria-hidden />} onPress={() => setAdding(true)}>
              Add account
            </Button>
          )
        }
      />
      <QueryState query={accounts} skeleton={<Skeleton rows={4} height={64} />}>
        <ArrowList className="card divide-y divide-line overflow-hidden" aria-label="Accounts">
          {shown.map((account) => (
            <Row key={account.id} account={account} mine={account.id === me?.id} />
          ))}
        </ArrowList>
        {accounts.hasNextPage && (
          <Button className="mt-4" onPress={() => void accounts.fetchNextPage()} isPending={accounts.isFetchingNextPage}>
            Show more
          </Button>
        )}
      </QueryState>
      {adding && <AddAccount onClose={() => setAdding(false)} />}
    </>
  );
}

function Row({ account, mine }: { account: Account; mine: boolean }) {
  return (
    <li className="relative grid items-center gap-x-6 gap-y-2 px-5 py-3.5 hover:bg-hover md:grid-cols-[minmax(0,2fr)_7rem_7rem_minmax(0,9rem)]">
      <div className="min-w-0">
        <Link to="/accounts/$accountId" params={{ accountId: account.id }} className="font-medium wrap-anywhere underline-offset-4 after:absolute after:inset-0 hover:underline">
          {account.display_name}
        </Link>
        {mine && <span className="text-muted"> (you)</span>}
        <p className="text-sm wrap-anywhere text-muted">{account.email ?? "No email yet"}</p>
      </div>
      <div>
        <RoleChip role={account.role} />
      </div>
      <div>
        <StatusChip status={account.status} />
      </div>
      <p className="text-sm text-muted md:text-right">since {date(account.created_at)}</p>
    </li>
  );
}

const SHORTEST = 12;

function AddAccount({ onClose }: { onClose: () => void }) {
  const cache = useQueryClient();
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const add = useMutation({
    mutationFn: () => addAccount({ email: email.trim(), display_name: name.trim(), password, role }),
    onSuccess: (account) => {
      void cache.invalidateQueries({ queryKey: ["accounts", "list"] });
      toast.done(`${account.display_name} can sign in now`);
      onClose();
    },
  });
  const problem = add.error ? asProblem(add.error) : null;
  return (
    <Dialog
      title="Add account"
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="add-account" isDisabled={!email.includes("@") || name.trim() === "" || password.length < SHORTEST} isPending={add.isPending}>
            Add account
          </Button>
        </>
      }
    >
      <form
        id="add-account"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <TextField label="Name" required value={name} onChange={setName} autoFocus autoComplete="off" error={problem?.field("display_name")} />
        <TextField label="Email" type="email" required value={email} onChange={setEmail} autoComplete="off" error={problem?.field("email")} />
        <Select label="Role" value={role} onChange={setRole} options={roleOptions} />
        <TextField label="First password" type="password" required value={password} onChange={setPassword} autoComplete="new-password" hint={`At least ${SHORTEST} characters; they change it in their profile.`} error={problem?.field("password")} />
        <Problems error={add.error} placed={["display_name", "email", "password"]} />
      </form>
    </Dialog>
  );
}
