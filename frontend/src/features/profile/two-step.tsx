import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { beginTwoStep, confirmTwoStep, newBackupCodes, turnTwoStepOff } from "../../api/identity";
import type { Me, TwoStepProof } from "../../api/types";
import { plural } from "../../lib/format";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";
import { BackupCodes, Scan } from "./two-step-parts";

type Asking = "on" | "codes" | "off" | null;
const FEW = 3;

export function TwoStep({ me }: { me: Me }) {
  const [asking, setAsking] = useState<Asking>(null);
  const ready = me.has_password && me.email !== null;
  return (
    <Card title="Two-step sign-in" aside={<Chip tone={me.mfa_enabled ? "ok" : "neutral"}>{me.mfa_enabled ? "On" : "Off"}</Chip>}>
      <div className="grid gap-4">
        <p className="text-muted">{me.mfa_enabled ? "After your password a sign-in needs the code that your authenticator shows." : "A sign-in also needs a code from an authenticator app on your phone, so your password alone is not enough."}</p>
        {me.mfa_enabled ? (
          <>
            <p className={me.backup_codes_left <= FEW ? "font-medium text-warn" : ""}>{`${plural(me.backup_codes_left, "backup code")} left${me.backup_codes_left <= FEW ? ": make new ones before they run out" : ""}.`}</p>
            <div className="flex flex-wrap gap-2">
              <Button onPress={() => setAsking("codes")}>New backup codes</Button>
              <Button variant="danger" onPress={() => setAsking("off")}>
                Turn off
              </Button>
            </div>
          </>
        ) : (
          <>
            {!ready && <p>Set a password first: the code is the second step after it.</p>}
            <Button variant="primary" className="justify-self-start" isDisabled={!ready} onPress={() => setAsking("on")}>
              Turn on
            </Button>
          </>
        )}
      </div>
      {asking === "on" && <TurnOn onClose={() => setAsking(null)} />}
      {asking === "codes" && <NewCodes onClose={() => setAsking(null)} />}
      {asking === "off" && <TurnOff onClose={() => setAsking(null)} />}
    </Card>
  );
}

/** Password, then the QR code and a first code, then the backup codes. */
function TurnOn({ onClose }: { onClose: () => void }) {
  const cache = useQueryClient();
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const begin = useMutation({ mutationFn: () => beginTwoStep(password) });
  const confirm = useMutation({ mutationFn: () => confirmTwoStep(code), onSuccess: () => cache.invalidateQueries({ queryKey: ["me"] }) });
  if (confirm.data) return <BackupCodes codes={confirm.data.codes} title="Two-step sign-in is on" onClose={onClose} />;
  if (begin.data)
    return (
      <Steps title="Scan, then enter the code" form="two-step-confirm" action="Turn on" onClose={onClose} onSubmit={() => confirm.mutate()} pending={confirm.isPending} ready={code.trim() !== ""}>
        <Scan setup={begin.data} />
        <Code value={code} onChange={setCode} label="Code from the app" />
        <Problems error={confirm.error} />
      </Steps>
    );
  return (
    <Steps title="Turn two-step sign-in on" form="two-step-begin" action="Continue" onClose={onClose} onSubmit={() => begin.mutate()} pending={begin.isPending} ready={password !== ""}>
      <p>You need an authenticator app on your phone, such as the one that came with it, Aegis or 2FAS.</p>
      <CurrentPassword value={password} onChange={setPassword} />
      <Problems error={begin.error} />
    </Steps>
  );
}

function NewCodes({ onClose }: { onClose: () => void }) {
  const cache = useQueryClient();
  const make = useMutation({ mutationFn: newBackupCodes, onSuccess: () => cache.invalidateQueries({ queryKey: ["me"] }) });
  if (make.data) return <BackupCodes codes={make.data.codes} title="New backup codes" onClose={onClose} />;
  return (
    <Proof title="New backup codes" action="Make new codes" onClose={onClose} onProof={make.mutate} pending={make.isPending} error={make.error}>
      <p>The codes that you have now stop working.</p>
    </Proof>
  );
}

function TurnOff({ onClose }: { onClose: () => void }) {
  const cache = useQueryClient();
  const off = useMutation({
    mutationFn: turnTwoStepOff,
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ["me"] });
      toast.done("Two-step sign-in is off");
      onClose();
    },
  });
  return (
    <Proof title="Turn two-step sign-in off" action="Turn off" onClose={onClose} onProof={off.mutate} pending={off.isPending} error={off.error}>
      <p>From then on your password is enough to sign in.</p>
    </Proof>
  );
}

interface ProofProps {
  title: string;
  action: string;
  onClose: () => void;
  onProof: (proof: TwoStepProof) => void;
  pending: boolean;
  error: unknown;
  children: ReactNode;
}

function Proof({ onProof, error, children, ...rest }: ProofProps) {
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  return (
    <Steps {...rest} form="two-step-proof" onSubmit={() => onProof({ password, code })} ready={password !== "" && code.trim() !== ""}>
      {children}
      <CurrentPassword value={password} onChange={setPassword} />
      <Code value={code} onChange={setCode} label="Code or backup code" />
      <Problems error={error} />
    </Steps>
  );
}

interface StepsProps {
  title: string;
  form: string;
  action: string;
  onClose: () => void;
  onSubmit: () => void;
  pending: boolean;
  ready: boolean;
  children: ReactNode;
}

function Steps({ title, form, action, onClose, onSubmit, pending, ready, children }: StepsProps) {
  const footer = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" type="submit" form={form} isDisabled={!ready} isPending={pending}>
        {action}
      </Button>
    </>
  );
  const submit = (event: { preventDefault: () => void }) => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <Dialog title={title} open onClose={onClose} footer={footer}>
      <form id={form} className="grid gap-4" onSubmit={submit}>
        {children}
      </form>
    </Dialog>
  );
}

const CurrentPassword = ({ value, onChange }: { value: string; onChange: (value: string) => void }) => (
  <TextField label="Your password" type="password" value={value} onChange={onChange} autoComplete="current-password" autoFocus />
);

const Code = ({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) => (
  <TextField label={label} mono value={value} onChange={onChange} autoComplete="one-time-code" />
);
