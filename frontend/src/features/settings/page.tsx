import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { addMember, meQuery } from "../../api/identity";
import { asProblem } from "../../api/problem";
import { setAppearance, useAppearance } from "../../lib/appearance";
import { Button } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Switch, TextField } from "../../ui/field";
import { Card, PageHeader } from "../../ui/layout";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";

export default function Settings() {
  const me = useQuery(meQuery());
  return (
    <>
      <PageHeader title="Settings" meta={<span>Your name, password and sessions are in <Link to="/profile" className="text-accent underline underline-offset-4">your profile</Link>.</span>} />
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <Appearance />
        {me.data?.role === "owner" && <Members />}
      </div>
    </>
  );
}

const SHORTEST = 12;

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

function Members() {
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const add = useMutation({
    mutationFn: () => addMember({ email: email.trim(), display_name: name.trim(), password }),
    onSuccess: (account) => {
      toast.done(`${account.display_name} can sign in now`);
      setEmail("");
      setName("");
      setPassword("");
    },
  });
  const problem = add.error ? asProblem(add.error) : null;
  return (
    <Card title="Add a colleague">
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <TextField label="Colleague’s name" value={name} onChange={setName} autoComplete="off" error={problem?.field("display_name")} />
        <TextField label="Colleague’s email" type="email" value={email} onChange={setEmail} autoComplete="off" error={problem?.field("email")} />
        <TextField label="First password" type="password" value={password} onChange={setPassword} autoComplete="new-password" hint={`At least ${SHORTEST} characters; they can change it in their profile.`} error={problem?.field("password")} />
        <Problems error={add.error} />
        <Button type="submit" className="justify-self-start" isDisabled={!email.includes("@") || name.trim() === "" || password.length < SHORTEST} isPending={add.isPending}>
          Add colleague
        </Button>
      </form>
    </Card>
  );
}
