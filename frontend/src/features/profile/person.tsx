import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { keepEmail, updateMe } from "../../api/identity";
import { asProblem } from "../../api/problem";
import type { Me } from "../../api/types";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";

export function Person({ account }: { account: Me }) {
  const cache = useQueryClient();
  const [name, setName] = useState(account.display_name);
  const [email, setEmail] = useState(account.email ?? "");
  const [current, setCurrent] = useState("");
  const moves = email !== (account.email ?? "");
  const unchanged = name === account.display_name && !moves;
  const save = useMutation({
    mutationFn: () => updateMe({ display_name: name.trim(), ...(moves ? { email: email.trim(), current_password: current } : {}) }),
    onSuccess: (stored) => {
      cache.setQueryData(["me"], stored);
      setCurrent("");
      setEmail(stored.email ?? "");
      toast.done(moves && stored.new_email ? `A link is on its way to ${stored.new_email}` : "Profile saved");
    },
  });
  const problem = save.error ? asProblem(save.error) : null;
  return (
    <Card title="Profile">
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <TextField label="Name" value={name} onChange={setName} autoComplete="name" hint="Shown beside what you change." error={problem?.field("display_name")} />
        {account.email && <TextField label="Email" type="email" value={email} onChange={setEmail} autoComplete="email" hint="You sign in with it. A new one counts once you follow the link that is mailed to it." error={problem?.field("email")} />}
        {account.new_email && <Waiting address={account.new_email} />}
        {moves && account.has_password && <TextField label="Password" type="password" value={current} onChange={setCurrent} autoComplete="current-password" hint="To change the address that you sign in with." />}
        <Problems error={save.error} placed={["display_name", "email"]} />
        <Button type="submit" variant="primary" className="justify-self-start" isDisabled={name.trim() === "" || unchanged || (moves && account.has_password && current === "")} isPending={save.isPending}>
          Save
        </Button>
      </form>
    </Card>
  );
}

/** A new address whose mailbox has not answered yet. */
function Waiting({ address }: { address: string }) {
  const cache = useQueryClient();
  const keep = useMutation({
    mutationFn: keepEmail,
    onSuccess: (stored) => {
      cache.setQueryData(["me"], stored);
      toast.done("Your email address stays as it is");
    },
    onError: toast.failed,
  });
  return (
    <div role="status" className="grid gap-2 rounded-md border border-warn bg-warn-soft px-4 py-3 text-sm">
      <p>
        <span className="font-medium wrap-anywhere">{address}</span> is not confirmed yet. Follow the link that was mailed to it, within 24 hours; until then nothing changes. No mail? Enter the address above again.
      </p>
      <Button size="sm" className="justify-self-start" isPending={keep.isPending} onPress={() => keep.mutate()}>
        Keep the old address
      </Button>
    </div>
  );
}

const SHORTEST = 12;

export function Password({ account }: { account: Me }) {
  const cache = useQueryClient();
  const [email, setEmail] = useState(account.email ?? "");
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const needsEmail = account.email === null; // without one there is nothing to sign in with
  const save = useMutation({
    mutationFn: () => updateMe({ password, ...(needsEmail ? { email: email.trim() } : {}), ...(account.has_password ? { current_password: current } : {}) }),
    onSuccess: (stored) => {
      cache.setQueryData(["me"], stored);
      void cache.invalidateQueries({ queryKey: ["sessions"] });
      setCurrent("");
      setPassword("");
      toast.done(needsEmail ? (stored.new_email ? `Password saved; a link is on its way to ${stored.new_email}` : `From now on sign in as ${stored.email}`) : "Password saved; other sessions have ended");
    },
  });
  const problem = save.error ? asProblem(save.error) : null;
  return (
    <Card title={account.has_password ? "Change password" : "Set a password"}>
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        {needsEmail ? (
          <>
            <TextField label="Email" type="email" required value={email} onChange={setEmail} autoComplete="username" hint="You sign in with it; password resets are sent to it." error={problem?.field("email")} />
            {account.new_email && <Waiting address={account.new_email} />}
          </>
        ) : (
          <input type="email" autoComplete="username" value={account.email ?? ""} readOnly hidden />
        )}
        {account.has_password && <TextField label="Current password" type="password" value={current} onChange={setCurrent} autoComplete="current-password" error={problem?.field("current_password")} />}
        <TextField label="New password" type="password" value={password} onChange={setPassword} autoComplete="new-password" hint={`At least ${SHORTEST} characters; a few unrelated words do well.${account.has_password ? " Every other session ends." : ""}`} error={problem?.field("password")} />
        <Problems error={save.error} placed={["email", "password"]} />
        <Button type="submit" variant="primary" className="justify-self-start" isDisabled={password.length < SHORTEST || (needsEmail && !email.includes("@")) || (account.has_password && current === "")} isPending={save.isPending}>
          Save password
        </Button>
      </form>
    </Card>
  );
}
