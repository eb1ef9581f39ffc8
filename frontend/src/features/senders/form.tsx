import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { createSender, updateSender } from "../../api/content";
import { asProblem } from "../../api/problem";
import type { Channel, Sender, SenderInput } from "../../api/types";
import { Button } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";

/** WhatsApp allows 80 messages a second per sender unless raised; a plain SMS long code one. */
const usualRate: Record<Channel, string> = { whatsapp: "80", sms: "1" };

export function SenderForm({ sender, onClose }: { sender?: Sender; onClose: () => void }) {
  const cache = useQueryClient();
  const [name, setName] = useState(sender?.name ?? "");
  const [channel, setChannel] = useState<Channel>(sender?.channel ?? "whatsapp");
  const [address, setAddress] = useState(sender?.address ?? "");
  const [rate, setRate] = useState<string | null>(sender ? String(sender.messages_per_second) : null);
  const save = useMutation({
    mutationFn: () => {
      const body: SenderInput = { name: name.trim(), channel, address: address.trim(), messages_per_second: Number(rate ?? usualRate[channel]) };
      return sender ? updateSender(sender.id, { name: body.name, address: body.address, messages_per_second: body.messages_per_second }) : createSender(body);
    },
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ["senders"] });
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
        <TextField label="Name" required value={name} onChange={setName} autoFocus placeholder="Shop WhatsApp" error={problem?.field("name")} />
        {!sender && (
          <div className="grid gap-1.5">
            <span className="text-sm font-medium">Channel</span>
            <Segmented label="Channel" value={channel} onChange={setChannel} options={[{ id: "whatsapp", label: "WhatsApp" }, { id: "sms", label: "SMS" }]} />
          </div>
        )}
        <TextField label="Number or messaging service" required mono value={address} onChange={setAddress} placeholder="+351210000001 or MG…" error={problem?.field("address")} />
        <TextField label="Messages per second" inputMode="decimal" value={rate ?? usualRate[channel]} onChange={setRate} required hint="What Twilio allows this sender. Sending faster only makes a queue at Twilio." error={problem?.field("messages_per_second")} />
        <Problems error={save.error} />
      </form>
    </Dialog>
  );
}
