import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { useState } from "react";
import { contactPickerQuery } from "../../api/contacts";
import { sendersQuery } from "../../api/content";
import { injectInbound } from "../../api/monitoring";
import { asProblem } from "../../api/problem";
import type { Contact } from "../../api/types";
import { masked } from "../../lib/format";
import { useDebounced } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { ComboBox, Select, type Option } from "../../ui/select";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";

const number = /^\+?[\d ().-]{7,20}$/;

/** People by name and the end of their number; a number typed in full that is nobody's may write, too. */
function peopleOf(people: Contact[], typed: string, chosen: string): Option[] {
  const known = people.map((contact) => ({ id: contact.phone, label: contact.attributes.name ? `${contact.attributes.name}, ${masked(contact.phone)}` : masked(contact.phone) }));
  const strange = [typed.trim(), chosen].find((text) => number.test(text) && !known.some((option) => option.id === text));
  return strange ? [{ id: strange, label: strange === chosen ? masked(strange) : strange, hint: "This number" }, ...known] : known;
}

/** Plays a message from a person's phone, as the sandbox would have received it from the network. */
export function SandboxForm() {
  const senders = useQuery(sendersQuery());
  const [from, setFrom] = useState("");
  const [typed, setTyped] = useState("");
  const [body, setBody] = useState("STOP");
  const [chosen, setChosen] = useState<string | null>(null);
  const people = useQuery({ ...contactPickerQuery(useDebounced(typed.includes("•") ? "" : typed, 250)), placeholderData: keepPreviousData });
  const options = peopleOf(people.data?.items ?? [], typed, from);
  const numbers = (senders.data?.items ?? []).filter((sender) => sender.address.startsWith("+"));
  const to = chosen ?? numbers[0]?.id ?? null;
  const sender = numbers.find((entry) => entry.id === to);
  const inject = useMutation({
    mutationFn: () => {
      const prefix = sender?.channel === "whatsapp" ? "whatsapp:" : "";
      return injectInbound({ from: prefix + from.trim(), to: prefix + (sender?.address ?? ""), body });
    },
    onSuccess: () => toast.done(`“${body}” is on its way from ${masked(from)}`),
  });
  const problem = inject.error ? asProblem(inject.error) : null;
  return (
    <Card title="Play a message" aside={<span className="text-sm text-muted">Sandbox only</span>} className="mb-4">
      {senders.data && numbers.length === 0 ? (
        <p className="text-muted">Add a sender with a phone number first; the message needs somebody to be addressed to.</p>
      ) : (
        <form
          className="grid items-start gap-3 md:grid-cols-[minmax(0,1.2fr)_minmax(0,1.2fr)_minmax(0,1.4fr)_auto]"
          onSubmit={(event) => {
            event.preventDefault();
            inject.mutate();
          }}
        >
          <ComboBox label="From" value={from} onChange={setFrom} onSearch={setTyped} placeholder="A name, or any number" options={options} error={problem?.field("from")} />
          <Select label="To" value={to} onChange={setChosen} options={numbers.map((entry) => ({ id: entry.id, label: entry.name, hint: entry.address }))} error={problem?.field("to")} />
          <TextField label="Text" value={body} onChange={setBody} error={problem?.field("body")} />
          <Button type="submit" variant="primary" className="md:mt-[26px]" icon={<Send aria-hidden />} isDisabled={from.trim() === "" || !sender} isPending={inject.isPending}>
            Send as them
          </Button>
        </form>
      )}
      <Problems error={inject.error} className="mt-3" />
    </Card>
  );
}
