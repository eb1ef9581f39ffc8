import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type ReactNode } from "react";
import { createFlag, killFlag, removeFlag } from "../../api/flags";
import { useMay } from "../../lib/permissions";
import { asProblem } from "../../api/problem";
import type { Flag, FlagKind } from "../../api/types";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Select } from "../../ui/select";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";
import { parseValue, shownValue } from "./model";
import { ValueField } from "./parts";

/** Whoever has the permission changes, the others look. */
export const useMayChange = (): boolean => useMay("flags:write") === true;

interface ReasonProps {
  title: string;
  action: string;
  danger?: boolean;
  onClose: () => void;
  /** Its rejection is shown in the dialog, which stays open. */
  run: (reason: string) => Promise<unknown>;
  children?: ReactNode;
}

/** Asks why, then does it: no change of a flag goes without a reason. */
export function ReasonDialog({ title, action, danger, onClose, run, children }: ReasonProps) {
  const [reason, setReason] = useState("");
  const cache = useQueryClient();
  const act = useMutation({
    mutationFn: () => run(reason.trim()),
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ["flags"] });
      onClose();
    },
  });
  return (
    <Dialog
      title={title}
      open
      onClose={onClose}
      role={danger ? "alertdialog" : undefined}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant={danger ? "danger" : "primary"} type="submit" form="flag-reason" isDisabled={reason.trim() === ""} isPending={act.isPending}>
            {action}
          </Button>
        </>
      }
    >
      <form
        id="flag-reason"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          act.mutate();
        }}
      >
        {children}
        <TextField label="Why" required value={reason} onChange={setReason} autoFocus hint="Recorded with the change." />
        <Problems error={act.error} />
      </form>
    </Dialog>
  );
}

export function KillDialog({ flag, onClose }: { flag: Flag; onClose: () => void }) {
  const run = async (reason: string) => {
    await killFlag(flag.name, reason);
    toast.done(`${flag.name} is killed`);
  };
  return (
    <ReasonDialog title={`Kill ${flag.name}?`} action="Kill it" danger onClose={onClose} run={run}>
      <p>
        Everyone gets “{shownValue(flag.off)}”, in every process within a second. Rules, targets and the percentage are ignored until the kill switch is lifted.
      </p>
    </ReasonDialog>
  );
}

export function RemoveDialog({ flag, onClose }: { flag: Flag; onClose: () => void }) {
  const navigate = useNavigate();
  const run = async (reason: string) => {
    await removeFlag(flag, reason);
    toast.done(`${flag.name} is removed`);
    void navigate({ to: "/flags", ignoreBlocker: true });
  };
  return (
    <ReasonDialog title={`Remove ${flag.name}?`} action="Remove flag" danger onClose={onClose} run={run}>
      <p>Code that still evaluates it gets the default given in code. Its history is kept.</p>
    </ReasonDialog>
  );
}

const kinds: { id: FlagKind; label: string }[] = [
  { id: "bool", label: "On or off" },
  { id: "string", label: "Text" },
  { id: "int", label: "Whole number" },
  { id: "float", label: "Number" },
  { id: "json", label: "JSON" },
];
const firstValues: Record<FlagKind, string> = { bool: "false", string: "", int: "0", float: "0", json: "{}" };

export function NewFlag({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const [name, setName] = useState("");
  const [type, setType] = useState<FlagKind>("bool");
  const [value, setValue] = useState(firstValues.bool);
  const [description, setDescription] = useState("");
  const [reason, setReason] = useState("");
  const parsed = parseValue(type, value);
  const add = useMutation({
    mutationFn: () => createFlag(name.trim(), type, parsed.ok ? parsed.value : null, description.trim(), reason.trim()),
    onSuccess: (flag) => {
      void cache.invalidateQueries({ queryKey: ["flags"] });
      toast.done(`${flag.name} created`);
      void navigate({ to: "/flags/$flagName", params: { flagName: flag.name } });
    },
  });
  const problem = add.error ? asProblem(add.error) : null;
  return (
    <Dialog
      title="New flag"
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="new-flag" isDisabled={name.trim() === "" || reason.trim() === "" || !parsed.ok} isPending={add.isPending}>
            Create flag
          </Button>
        </>
      }
    >
      <form
        id="new-flag"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <TextField label="Name" required mono value={name} onChange={setName} autoFocus placeholder="checkout.new-form" error={problem?.field("name")} hint="The name that the code uses. It cannot be changed later." />
        <Select
          label="Type"
          value={type}
          onChange={(next) => {
            setType(next);
            setValue(firstValues[next]);
          }}
          options={kinds}
        />
        <ValueField label="Value" type={type} value={value} onChange={setValue} error={parsed.ok ? undefined : parsed.problem} />
        <TextField label="Description" value={description} onChange={setDescription} />
        <TextField label="Why" required value={reason} onChange={setReason} hint="Recorded with the change." />
        <Problems error={add.error} />
      </form>
    </Dialog>
  );
}
