import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createSender, updateSender } from "../../api/content";
import { dashboardQuery, sandboxQuery } from "../../api/monitoring";
import { asProblem } from "../../api/problem";
import type { Channel, Sender, SenderInput } from "../../api/types";
import { useEdited } from "../../lib/edited";
import { Button } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Conflict, isStale } from "../../ui/conflict";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";
import { rateHint, usualRate } from "./rate";

interface Draft {
  name: string;
  channel: Channel;
  address: string;
  /** As typed; null until then. */
  rate: string | null;
}
const labels: Record<keyof Draft, string> = { name: "Name", channel: "Channel", address: "Number or messaging service", rate: "Messages per second" };

/** `channel` is what a new sender is for, where that is known; `onAdded` gets it. */
export function SenderForm({ sender, channel: wanted, onClose, onAdded }: { sender?: Sender; channel?: Channel; onClose: () => void; onAdded?: (sender: Sender) => void }) {
  const cache = useQueryClient();
  const edited = useEdited(sender, (from): Draft => ({ name: from?.name ?? "", channel: from?.channel ?? wanted ?? "sms", address: from?.address ?? "", rate: from ? String(from.messages_per_second) : null }));
  const { name, channel, address, rate } = edited.draft;
  const sandbox = useQuery(sandboxQuery()).data?.active ?? false;
  const optedIn = useQuery(dashboardQuery()).data?.contacts.opted_in;
  const shownRate = rate ?? usualRate(channel, sandbox);
  const save = useMutation({
    mutationFn: ({ draft, base }: { draft: Draft; base?: Sender }) => {
      const body: SenderInput = { name: draft.name.trim(), channel: draft.channel, address: draft.address.trim(), messages_per_second: Number(draft.rate ?? shownRate) };
      return base ? updateSender(base, { name: body.name, address: body.address, messages_per_second: body.messages_per_second }) : createSender(body);
    },
    onError: (error) => isStale(error) && cache.invalidateQueries({ queryKey: ["senders"] }),
    onSuccess: (stored) => {
      void cache.invalidateQueries({ queryKey: ["senders"] });
      if (!sender) onAdded?.(stored);
      toast.done(sender ? "Sender saved" : "Sender added");
      onClose();
    },
  });
  const problem = save.error && !isStale(save.error) ? asProblem(save.error) : null;
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
          save.mutate({ draft: edited.draft, base: edited.base });
        }}
      >
        <Conflict what="sender" edited={edited} labels={labels} error={save.error} onKeepMine={save.mutate} />
        <TextField label="Name" required value={name} onChange={(given) => edited.change({ name: given })} autoFocus placeholder="Shop" error={problem?.field("name")} />
        {!sender && (
          <div className="grid gap-1.5">
            <span className="text-sm font-medium">Channel</span>
            <Segmented label="Channel" value={channel} onChange={(given) => edited.change({ channel: given })} options={[{ id: "sms", label: "SMS" }, { id: "whatsapp", label: "WhatsApp" }]} />
          </div>
        )}
        <TextField label="Number or messaging service" required mono value={address} onChange={(given) => edited.change({ address: given })} placeholder="+351210000001 or MG…" hint={sandbox ? "Any number will do in the sandbox, such as +351210000001." : undefined} error={problem?.field("address")} />
        <TextField label="Messages per second" inputMode="decimal" value={shownRate} onChange={(given) => edited.change({ rate: given })} required hint={rateHint(Number(shownRate), optedIn, sandbox)} error={problem?.field("messages_per_second")} />
        <Problems error={problem} placed={["name", "address", "messages_per_second"]} />
      </form>
    </Dialog>
  );
}
