import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Copy, Plus } from "lucide-react";
import { useState } from "react";
import { makeKey, rolesQuery } from "../../api/access";
import { meQuery } from "../../api/identity";
import { asProblem } from "../../api/problem";
import type { NewApiKey, KeyScope } from "../../api/types";
import { date } from "../../lib/format";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Checkbox, TextField } from "../../ui/field";
import { Card, PageHeader } from "../../ui/layout";
import { Select } from "../../ui/select";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";
import { KeyList } from "./keys";

export default function ApiKeys() {
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<NewApiKey | null>(null);
  return (
    <>
      <PageHeader
        title="API keys"
        back={{ to: "/settings", label: "Settings" }}
        meta={<span>A key acts on your behalf with a subset of your permissions, never with more than your role allows.</span>}
        actions={
          <Button variant="primary" icon={<Plus aria-hidden />} onPress={() => setMaking(true)}>
            New API key
          </Button>
        }
      />
      <Card title="Your keys" padded={false}>
        <KeyList />
      </Card>
      {making && (
        <NewKey
          onClose={() => setMaking(false)}
          onMade={(key) => {
            setMaking(false);
            setMade(key);
          }}
        />
      )}
      {made && <Secret made={made} onClose={() => setMade(null)} />}
    </>
  );
}

const lifetimes = [7, 30, 90, 365].map((days) => ({ id: String(days), label: `${days} days` }));

function NewKey({ onClose, onMade }: { onClose: () => void; onMade: (key: NewApiKey) => void }) {
  const cache = useQueryClient();
  const held = useQuery(meQuery()).data?.permissions ?? [];
  const table = useQuery(rolesQuery()).data;
  const choices = table?.permissions.filter((permission): permission is typeof permission & { name: KeyScope } => permission.for_keys && held.includes(permission.name)) ?? [];
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [scopes, setScopes] = useState<KeyScope[]>([]);
  const make = useMutation({
    mutationFn: () => makeKey({ name: name.trim(), scopes, expires_in_days: Number(days) }),
    onSuccess: (key) => {
      void cache.invalidateQueries({ queryKey: ["api-keys"] });
      onMade(key);
    },
  });
  const problem = make.error ? asProblem(make.error) : null;
  const choose = (scope: KeyScope, on: boolean) => setScopes((old) => (on ? [...old, scope] : old.filter((entry) => entry !== scope)));
  return (
    <Dialog
      title="New API key"
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="new-key" isDisabled={name.trim() === "" || scopes.length === 0} isPending={make.isPending}>
            Create key
          </Button>
        </>
      }
    >
      <form
        id="new-key"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <TextField label="Name" required value={name} onChange={setName} autoFocus placeholder="Nightly import" hint="What the key is used for." error={problem?.field("name")} />
        <Select label="Works for" value={days} onChange={setDays} options={lifetimes} />
        <fieldset className="grid gap-1">
          <legend className="mb-1 text-sm font-medium">Permissions</legend>
          {choices.map((permission) => (
            <Checkbox key={permission.name} checked={scopes.includes(permission.name)} onChange={(on) => choose(permission.name, on)}>
              <span className="min-w-0">
                <span className="font-mono text-sm">{permission.name}</span>
                <span className="block text-xs text-muted">{permission.meaning}</span>
              </span>
            </Checkbox>
          ))}
        </fieldset>
        <Problems error={make.error} placed={["name"]} />
      </form>
    </Dialog>
  );
}

function Secret({ made, onClose }: { made: NewApiKey; onClose: () => void }) {
  const copy = () => navigator.clipboard.writeText(made.secret).then(() => toast.done("Copied"), toast.failed);
  return (
    <Dialog title={`“${made.name}” created`} open onClose={onClose} role="alertdialog" footer={<Button variant="primary" onPress={onClose}>I have saved it</Button>}>
      <div className="grid gap-3">
        <p>The key is shown only once. Save it where the program can read it. It works until {date(made.expires_at)}.</p>
        <code className="rounded-md border border-line-strong bg-sunken px-3 py-2 font-mono text-sm wrap-anywhere select-all">{made.secret}</code>
        {"clipboard" in navigator && (
          <Button className="justify-self-start" icon={<Copy aria-hidden />} onPress={() => void copy()}>
            Copy
          </Button>
        )}
        <p className="text-sm text-muted">
          Send it as <code className="font-mono">Authorization: Bearer {made.prefix}…</code>
        </p>
      </div>
    </Dialog>
  );
}
