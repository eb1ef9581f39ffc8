import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { attributesQuery, createContact, updateContact } from "../../api/contacts";
import { asProblem } from "../../api/problem";
import type { Consent, Contact, ContactInput } from "../../api/types";
import { useEdited } from "../../lib/edited";
import { zones } from "../../lib/zones";
import { Button, IconButton } from "../../ui/button";
import { consentNames } from "../../ui/chip";
import { Conflict, isStale } from "../../ui/conflict";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { ComboBox, Select } from "../../ui/select";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";

interface Pair {
  key: number;
  name: string;
  value: string;
}

let nextKey = 1;
const pair = (name = "", value = ""): Pair => ({ key: nextKey++, name, value });

const topicsOf = (text: string): string[] => [...new Set(text.split(",").map((topic) => topic.trim()).filter(Boolean))];

interface Draft {
  phone: string;
  consent: Consent;
  pairs: Pair[];
  topics: string;
  timezone: string;
  locale: string;
}

const draftOf = (contact?: Contact): Draft => ({
  phone: contact?.phone ?? "",
  consent: contact?.consent ?? "unknown",
  pairs: contact ? Object.entries(contact.attributes).map(([name, value]) => pair(name, value)) : [pair("name")],
  topics: contact?.topics.join(", ") ?? "",
  timezone: contact?.timezone ?? "",
  locale: contact?.locale ?? "",
});
const attributesOf = ({ pairs }: Draft): Record<string, string> => Object.fromEntries(pairs.filter((entry) => entry.name.trim() && entry.value !== "").map((entry) => [entry.name.trim(), entry.value]));
const plain = (draft: Draft) => ({ ...draft, pairs: attributesOf(draft) });
const labels: Record<keyof Draft, string> = { phone: "Phone", consent: "Consent", pairs: "Attributes", topics: "Topics", timezone: "Time zone", locale: "Locale" };
const shown = (name: keyof Draft, draft: Draft): string =>
  name === "pairs" ? Object.entries(attributesOf(draft)).map(([attribute, value]) => `${attribute}: ${value}`).join("\n") : name === "consent" ? consentNames[draft.consent] : draft[name];

/** Adds a contact, or edits the one given. */
export function ContactForm({ contact, onClose }: { contact?: Contact; onClose: () => void }) {
  const cache = useQueryClient();
  const known = useQuery(attributesQuery());
  const edited = useEdited(contact, draftOf, { plain });
  const { phone, consent, topics, timezone, locale, pairs } = edited.draft;
  const setPairs = (next: Pair[]) => edited.change({ pairs: next });

  const save = useMutation({
    mutationFn: ({ draft, base }: { draft: Draft; base?: Contact }) => {
      const body: ContactInput = {
        phone: draft.phone.trim(),
        attributes: attributesOf(draft),
        topics: topicsOf(draft.topics),
        timezone: draft.timezone || null,
        locale: draft.locale || null,
        ...(draft.consent !== base?.consent ? { consent: draft.consent } : {}),
      };
      return base ? updateContact(base, body) : createContact(body);
    },
    onError: (error) => isStale(error) && cache.invalidateQueries({ queryKey: ["contacts", "detail", contact?.id] }),
    onSuccess: (saved) => {
      cache.setQueryData(["contacts", "detail", saved.id], saved);
      void cache.invalidateQueries({ queryKey: ["contacts"] });
      if ("consent_kept" in saved && saved.consent_kept) toast.done(`${saved.phone} added. ${saved.consent === "stopped" ? "Their STOP" : "Their opt-out"} from before stays in force.`);
      else toast.done(contact ? "Contact saved" : `${saved.phone} added`);
      onClose();
    },
  });
  const problem = save.error && !isStale(save.error) ? asProblem(save.error) : null;
  const change = (key: number, patch: Partial<Pair>) => setPairs(pairs.map((entry) => (entry.key === key ? { ...entry, ...patch } : entry)));

  return (
    <Dialog
      title={contact ? "Edit contact" : "Add contact"}
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="contact-form" isPending={save.isPending}>
            {contact ? "Save" : "Add"}
          </Button>
        </>
      }
    >
      <form
        id="contact-form"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate({ draft: edited.draft, base: edited.base });
        }}
      >
        <Conflict what="contact" edited={edited} labels={labels} show={shown} error={save.error} onKeepMine={save.mutate} />
        <TextField label="Phone" required type="tel" value={phone} onChange={(given) => edited.change({ phone: given })} autoFocus placeholder="+351 912 345 678" hint="With the country code." error={problem?.field("phone")} />
        {contact?.consent === "stopped" ? (
          <p className="rounded-md border border-line bg-sunken px-3 py-2 text-sm text-muted">This person wrote STOP. Only they can reopen the conversation, by writing START.</p>
        ) : (
          <Select
            label="Consent"
            value={consent}
            onChange={(value) => edited.change({ consent: value as Consent })}
            error={problem?.field("consent")}
            options={[
              { id: "opted_in", label: "Opted in", hint: "They agreed to receive messages" },
              { id: "opted_out", label: "Opted out", hint: "They asked not to receive messages" },
              { id: "unknown", label: "Consent unknown", hint: "No message is sent until they agree" },
            ]}
          />
        )}
        <fieldset className="grid gap-2">
          <legend className="mb-1.5 text-sm font-medium">Attributes</legend>
          {pairs.map((entry) => (
            <div key={entry.key} className="grid grid-cols-[minmax(0,1fr)_minmax(0,1.4fr)_auto] gap-2">
              <ComboBox free bare label="Attribute name" placeholder="Name" value={entry.name} onChange={(name) => change(entry.key, { name })} options={(known.data?.items ?? []).map((info) => ({ id: info.name, label: info.name }))} />
              <input aria-label={`Value of ${entry.name || "the attribute"}`} className="field" value={entry.value} onChange={(event) => change(entry.key, { value: event.target.value })} />
              <IconButton label={`Remove ${entry.name || "attribute"}`} onPress={() => setPairs(pairs.filter((other) => other.key !== entry.key))}>
                <Trash2 />
              </IconButton>
            </div>
          ))}
          <Button size="sm" variant="ghost" className="justify-self-start" icon={<Plus aria-hidden />} onPress={() => setPairs([...pairs, pair()])}>
            Add attribute
          </Button>
        </fieldset>
        <TextField label="Topics" value={topics} onChange={(given) => edited.change({ topics: given })} hint="Separated by commas." error={problem?.field("topics")} />
        <div className="grid gap-4 sm:grid-cols-2">
          <ComboBox label="Time zone" value={timezone} onChange={(given) => edited.change({ timezone: given })} options={zones()} free error={problem?.field("timezone")} placeholder="Europe/Lisbon" />
          <TextField label="Locale" value={locale} onChange={(given) => edited.change({ locale: given })} placeholder="pt" error={problem?.field("locale")} />
        </div>
        <Problems error={problem} placed={["phone", "consent", "topics", "timezone", "locale"]} />
      </form>
    </Dialog>
  );
}
