import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { TriangleAlert } from "lucide-react";
import { useState, type ReactNode } from "react";
import { contactPickerQuery, contactQuery } from "../../api/contacts";
import type { Channel, Contact, TemplatePreview } from "../../api/types";
import { count, plural } from "../../lib/format";
import { useDebounced } from "../../lib/hooks";
import { Card } from "../../ui/layout";
import { PhonePreview } from "../../ui/phone-preview";
import { ComboBox } from "../../ui/select";
import { ErrorState } from "../../ui/states";

interface Props {
  channel: Channel;
  empty: boolean;
  /** The message says itself what is wrong with it. */
  mistyped: boolean;
  preview: UseQueryResult<TemplatePreview>;
  contactId: string;
  onContact: (id: string) => void;
}

export function PreviewPanel({ channel, empty, mistyped, preview, contactId, onContact }: Props) {
  const data = empty ? undefined : preview.data;
  return (
    <div className="sticky top-20 grid gap-4">
      <Card title="Preview">
        <div className="grid gap-4">
          <ContactPicker value={contactId} onChange={onContact} />
          {mistyped ? null : preview.error && !empty ? <ErrorState compact error={preview.error} onRetry={() => void preview.refetch()} /> : data && <Findings data={data} channel={channel} />}
          <PhonePreview channel={channel} text={data?.text ?? ""} pending={preview.isFetching} />
        </div>
      </Card>
    </div>
  );
}

/** Whose values are shown until somebody is picked: a person who would get it, or anybody while nobody has opted in. */
export function useSomebody(picked: string | null): string {
  const optedIn = useQuery({ ...contactPickerQuery("", "opted_in"), enabled: picked === null });
  const nobody = optedIn.data?.items.length === 0;
  const anybody = useQuery({ ...contactPickerQuery(""), enabled: picked === null && nobody });
  return picked ?? optedIn.data?.items[0]?.id ?? anybody.data?.items[0]?.id ?? "";
}

const label = (contact: Contact): string => (contact.attributes.name ? `${contact.attributes.name}, ${contact.phone}` : contact.phone);

/** Drawn once the first people are known, so that the field begins with the one whose values are shown. */
function ContactPicker({ value, onChange }: { value: string; onChange: (id: string) => void }) {
  const [text, setText] = useState("");
  const chosen = useQuery({ ...contactQuery(value), enabled: value !== "" });
  const asked = chosen.data && text === label(chosen.data) ? "" : text; // the field says who is chosen: nothing is searched for
  const found = useQuery({ ...contactPickerQuery(useDebounced(asked, 250)), placeholderData: keepPreviousData });
  const people = (found.data?.items ?? []).filter((contact) => contact.id !== value);
  // Who is chosen is always among the options, or the field would lose them; first only while nobody else is looked for.
  const shown = chosen.data ? (asked === "" ? [chosen.data, ...people] : [...people, chosen.data]) : people;
  const options = shown.map((contact) => ({ id: contact.id, label: label(contact) }));
  return <ComboBox key={found.data && chosen.data ? "known" : "empty"} label="With the values of" placeholder="A contact" value={value} onChange={onChange} options={options} onSearch={setText} />;
}

function Findings({ data, channel }: { data: TemplatePreview; channel: Channel }) {
  return (
    <div className="grid gap-3" aria-live="polite">
      {channel === "sms" && (
        <p className="flex flex-wrap gap-x-4 gap-y-1 text-sm tabular">
          <span className="font-medium">{plural(data.segments, "segment")}</span>
          <span className="text-muted">{data.encoding}</span>
          <span className="text-muted">{count(data.units)} units</span>
          <span className="text-muted">{count(data.units_left_in_segment)} left in this segment</span>
        </p>
      )}
      {channel === "whatsapp" && <p className="text-sm text-muted tabular">{count([...data.text].length)} characters</p>}
      {channel === "sms" && data.non_gsm_characters.length > 0 && (
        <Finding>
          {data.non_gsm_characters.map((character) => `“${character}”`).join(" ")} {data.non_gsm_characters.length === 1 ? "is" : "are"} outside GSM-7, so a segment holds 70 characters instead of 160.
        </Finding>
      )}
      {data.unknown.length > 0 && <Finding>No contact has {data.unknown.map((name) => `{${name}}`).join(", ")}: everyone would be refused.</Finding>}
      {data.missing.filter((name) => !data.unknown.includes(name)).length > 0 && (
        <Finding>This contact has no {data.missing.filter((name) => !data.unknown.includes(name)).map((name) => `{${name}}`).join(", ")}; people without it are refused, with that reason.</Finding>
      )}
    </div>
  );
}

function Finding({ children }: { children: ReactNode }) {
  return (
    <p className="flex gap-2.5 rounded-md border border-warn/50 bg-warn-soft px-3 py-2 text-sm">
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
      <span className="min-w-0">{children}</span>
    </p>
  );
}
