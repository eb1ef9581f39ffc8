import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { createSender, updateSender } from "../../api/content";
import { dashboardQuery, sandboxQuery } from "../../api/monitoring";
import { asProblem } from "../../api/problem";
import type { Channel, Sender, SenderInput } from "../../api/types";
import { Button } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";
import { rateHint, usualRate } from "./rate";

/** `channel` is what a new sender is for, where that is known; `onAdded` gets it. */
export function SenderForm({ sender, channel: wanted, onClose, onAdded }: { sender?: Sender; channel?: Channel; onClose: () => void; onAdded?: (sender: Sender) => void }) {
  const cache = useQueryClient();
  const [name, setName] = useState(sender?.name ?? "");
  const [channel, setChannel] = useState<Channel>(sender?.channel ?? wanted ?? "sms");
  const [address, setAddress] = useState(sender?.address ?? "");
  const [rate, setRate] = useState<string | null>(sender ? String(sender.messages_per_second) : null);
  const sandbox = useQuery(sandboxQuery()).data?.active ?? false;
  const optedIn = useQuery(dashboardQuery()).data?.contacts.opted_in;
  const shownRate = rate ?? usualRate(channel, sandbox);
  const save = useMutation({
    mutationFn: () => {
      const body: SenderInput = { name: name.trim(), channel, address: address.trim(), messages_per_second: Number(shownRate) };
      return sender ? updateSender(sender.id, { name: body.name, address: body.address, messages_per_second: body.messages_per_second }) : createSender(body);
    },
    onSuccess: (stored) => {
      void cache.invalidateQueries({ queryKey: ["senders"] });
      if (!sender) onAdded?.(stored);
      toast.done(sender ? "Sender saved" : "Sender added");
      onClose();
    },
  });
  const problem = save.error ? asProblem(save.error) : null;
  return (
    <Dialog
      title={sender ? "Edit sender" : "Add sender"}
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="sender-form" isDisabled={name.trim() === "" || address.trim() === ""} isPending={save.isPending}>
            {sender ? "Save" : "Add"}
          </Button>
        </>
      }
    >
      <form
        id="sender-form"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <TextField label="Name" required value={name} onChange={setName} autoFocus placeholder="Shop" error={problem?.field("name")} />
        {!sender && (
          <div className="grid gap-1.5">
            <span className="text-sm font-medium">Channel</span>
            <Segmented label="Channel" value={channel} onChange={setChannel} options={[{ id: "sms", label: "SMS" }, { id: "whatsapp", label: "WhatsApp" }]} />
          </div>
        )}
        <TextField label="Number or messaging service" required mono value={address} onChange={setAddress} placeholder="+351210000001 or MG…" hint={sandbox ? "Any number will do in the sandbox, such as +351210000001." : undefined} error={problem?.field("address")} />
        <TextField label="Messages per second" inputMode="decimal" value={shownRate} onChange={setRate} required hint={rateHint(Number(shownRate), optedIn, sandbox)} error={problem?.field("messages_per_second")} />
        <Problems error={save.error} placed={["name", "address", "messages_per_second"]} />
      </form>
    </Dialog>
  );
}
