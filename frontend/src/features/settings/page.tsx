import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { meQuery, updateMe } from "../../api/identity";
import { asProblem } from "../../api/problem";
import type { Account } from "../../api/types";
import { setAppearance, useAppearance } from "../../lib/appearance";
import { date, sentence } from "../../lib/format";
import { Button, buttonClass } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Switch, TextField } from "../../ui/field";
import { Card, PageHeader } from "../../ui/layout";
import { Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";

export default function Settings() {
  const me = useQuery(meQuery());
  return (
    <>
      <PageHeader title="Settings" meta={me.data && <span>{`${me.data.display_name}, ${sentence(me.data.role).toLowerCase()} since ${date(me.data.created_at)}`}</span>} />
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <QueryState query={me} skeleton={<Skeleton rows={2} height={200} />}>
          {me.data && (
            <div className="grid gap-4">
              <Profile account={me.data} />
              <Password account={me.data} />
            </div>
          )}
        </QueryState>
        <div className="grid gap-4">
          <Appearance />
          <ApiKeys />
        </div>
      </div>
    </>
  );
}

function Profile({ account }: { account: Account }) {
  const cache = useQueryClient();
  const [name, setName] = useState(account.display_name);
  const [email, setEmail] = useState(account.email ?? "");
  const unchanged = name === account.display_name && email === (account.email ?? "");
  const save = useMutation({
    mutationFn: () => updateMe({ display_name: name.trim(), ...(email === (account.email ?? "") ? {} : { email: email.trim() }) }),
    onSuccess: (stored) => {
      cache.setQueryData(["me"], stored);
      toast.done("Profile saved");
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
        {account.email && <TextField label="Email" type="email" value={email} onChange={setEmail} autoComplete="email" hint="You sign in with it." error={problem?.field("email")} />}
        <Problems error={save.error} />
        <Button type="submit" variant="primary" className="justify-self-start" isDisabled={name.trim() === "" || unchanged} isPending={save.isPending}>
          Save
        </Button>
      </form>
    </Card>
  );
}

const SHORTEST = 10;

function Password({ account }: { account: Account }) {
  const cache = useQueryClient();
  const [email, setEmail] = useState(account.email ?? "");
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const needsEmail = account.email === null; // without one there is nothing to sign in with
  const save = useMutation({
    mutationFn: () => updateMe({ password, ...(needsEmail ? { email: email.trim() } : {}), ...(account.has_password ? { current_password: current } : {}) }),
    onSuccess: (stored) => {
      cache.setQueryData(["me"], stored);
      setCurrent("");
      setPassword("");
      toast.done(needsEmail ? `From now on sign in as ${stored.email}` : "Password saved; other sessions have ended");
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
          <TextField label="Email" type="email" required value={email} onChange={setEmail} autoComplete="username" hint="You sign in with it; nothing is sent to it." error={problem?.field("email")} />
        ) : (
          <input type="email" autoComplete="username" value={account.email ?? ""} readOnly hidden />
        )}
        {account.has_password && <TextField label="Current password" type="password" value={current} onChange={setCurrent} autoComplete="current-password" error={problem?.field("current_password")} />}
        <TextField label="New password" type="password" value={password} onChange={setPassword} autoComplete="new-password" hint={`At least ${SHORTEST} characters.`} error={problem?.field("password")} />
        <Problems error={save.error} />
        <Button type="submit" variant="primary" className="justify-self-start" isDisabled={password.length < SHORTEST || (needsEmail && !email.includes("@")) || (account.has_password && current === "")} isPending={save.isPending}>
          Save password
        </Button>
      </form>
    </Card>
  );
}

function Appearance() {
  const { theme, glass, shortcuts } = useAppearance();
  return (
    <Card title="Appearance">
      <div className="grid gap-5">
        <div className="grid gap-1.5">
          <span className="text-sm font-medium">Theme</span>
          <Segmented label="Theme" value={theme} onChange={(value) => setAppearance({ theme: value })} options={[{ id: "system", label: "As the system" }, { id: "light", label: "Light" }, { id: "dark", label: "Dark" }]} />
        </div>
        <div className="grid gap-1.5">
          <span className="text-sm font-medium">Glass</span>
          <Segmented label="Glass" value={glass} onChange={(value) => setAppearance({ glass: value })} options={[{ id: "auto", label: "Automatic" }, { id: "on", label: "On" }, { id: "off", label: "Off" }]} />
          <span className="text-xs text-muted">Automatic follows the system’s wish for less transparency or more contrast.</span>
        </div>
        <Switch checked={shortcuts} onChange={(on) => setAppearance({ shortcuts: on })} hint="g then a letter, / and ?. Ctrl K always works.">
          Single-key shortcuts
        </Switch>
      </div>
    </Card>
  );
}

function ApiKeys() {
  return (
    <Card title="API keys">
      <p className="mb-4 text-muted">A program signs in with a key of its own: a part of your permissions, for a limited time.</p>
      <Link to="/settings/api-keys" className={buttonClass()}>
        Go to API keys
      </Link>
    </Card>
  );
}
