import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { Send } from "lucide-react";
import { useState } from "react";
import { contactPickerQuery } from "../../api/contacts";
import { sendersQuery } from "../../api/content";
import { injectInbound } from "../../api/monitoring";
import { asProblem } from "../../api/problem";
import { useDebounced } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/field";
import { Card } from "../../ui/layout";
import { ComboBox, Select } from "../../ui/select";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";
import { peopleOf, writer, type Person } from "./writer";

/** Plays a message from a person's phone, as the sandbox would have received it from the network. */
export function SandboxForm() {
  const senders = useQuery(sendersQuery());
  const [typed, setTyped] = useState("");
  const [picked, setPicked] = useState<Person | null>(null);
  const [body, setBody] = useState("STOP");
  const [chosen, setChosen] = useState<string | null>(null);
  const people = useQuery({ ...contactPickerQuery(useDebounced(picked?.label === typed ? "" : typed, 250)), placeholderData: keepPreviousData });
  const from = writer(typed, picked);
  const options = peopleOf(people.data?.items ?? [], picked?.label === typed ? "" : typed);
  const write = (text: string) => {
    setPicked((before) => options.find((person) => person.label === text) ?? before);
    setTyped(text);
  };
  const numbers = (senders.data?.items ?? []).filter((sender) => sender.address.startsWith("+"));
  const to = chosen ?? numbers[0]?.id ?? null;
  const sender = numbers.find((entry) => entry.id === to);
  const inject = useMutation({
    mutationFn: () => {
      const prefix = sender?.channel === "whatsapp" ? "whatsapp:" : "";
      return injectInbound({ from: prefix + from, to: prefix + (sender?.address ?? ""), body });
    },
    onSuccess: () => toast.done(`“${body}” is on its way from ${from}`),
  });
  const problem = inject.error ? asProblem(inject.error) : null;
  return (
    <Card title="Simulate a message" aside={<span className="text-sm text-muted">Sandbox only</span>} className="mb-4">
      {senders.data && numbers.length === 0 ? (
        <p className="text-muted">Add a sender with a phone number first; the message needs a recipient.</p>
      ) : (
        <form
          className="grid items-start gap-3 md:grid-cols-[minmax(0,1.2fr)_minmax(0,1.2fr)_minmax(0,1.4fr)_auto]"
          onSubmit={(event) => {
            event.preventDefault();
            inject.mutate();
          }}
        >
          <ComboBox label="From" free value={typed} onChange={write} onSearch={() => undefined} placeholder="A name, or any number" options={options} error={problem?.field("from")} />
          <Select label="To" value={to} onChange={setChosen} options={numbers.map((entry) => ({ id: entry.id, label: entry.name, hint: entry.address }))} error={problem?.field("to")} />
          <TextField label="Text" value={body} onChange={setBody} error={problem?.field("body")} />
          <Button needs="sandbox:use" type="submit" variant="primary" className="md:mt-[26px]" icon={<Send aria-hidden />} isDisabled={from === "" || !sender} isPending={inject.isPending}>
            Send as them
          </Button>
        </form>
      )}
      <Problems error={inject.error} className="mt-3" placed={["from", "to", "body"]} />
    </Card>
  );
}
