import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Ban, CircleCheck, Copy, Download, FileUp, MessageSquareReply, Pencil, Send, Trash2, UserPlus, type LucideIcon } from "lucide-react";
import { useState } from "react";
import { contactQuery, createContact, deleteContact, timelineQuery, updateContact } from "../../api/contacts";
import type { Consent, Contact, TimelineEntry } from "../../api/types";
import { ago, dateTime, sentence } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { useMay } from "../../lib/permissions";
import { useLive } from "../../realtime/client";
import { Button, buttonClass, IconButton } from "../../ui/button";
import { ConsentChip, consentNames } from "../../ui/chip";
import { messageNames } from "../../ui/counts";
import { ConfirmDialog } from "../../ui/dialog";
import { Card, Definition, PageHeader } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { ContactForm } from "./form";

export default function ContactDetail() {
  const { contactId } = useParams({ from: "/contacts/$contactId" });
  const contact = useQuery(contactQuery(contactId));
  useLive("contacts");
  return (
    <QueryState query={contact} skeleton={<Skeleton rows={4} height={90} />} gone={{ what: "Contact", to: "/contacts", label: "Contacts" }}>
      {contact.data && <Profile contact={contact.data} />}
    </QueryState>
  );
}

type Asking = "delete" | "opt_out" | "opt_in" | "edit" | null;

function Profile({ contact }: { contact: Contact }) {
  const [asking, setAsking] = useState<Asking>(null);
  const mayExport = useMay("contacts:export");
  const name = contact.attributes.name;
  const close = () => setAsking(null);
  return (
    <>
      <PageHeader needs="contacts:write"
        title={name ? `${name}, ${contact.phone}` : contact.phone}
        back={{ to: "/contacts", label: "Contacts" }}
        meta={
          <>
            <ConsentChip consent={contact.consent} />
            {contact.country && <span>{contact.country}</span>}
            <span>Added {dateTime(contact.created_at)}</span>
          </>
        }
        actions={
          <>
            {contact.consent === "opted_in" && (
              <Button icon={<Ban aria-hidden />} onPress={() => setAsking("opt_out")}>
                Opt out
              </Button>
            )}
            {(contact.consent === "opted_out" || contact.consent === "unknown") && (
              <Button icon={<CircleCheck aria-hidden />} onPress={() => setAsking("opt_in")}>
                Opt in
              </Button>
            )}
            <Button icon={<Pencil aria-hidden />} onPress={() => setAsking("edit")}>
              Edit
            </Button>
            {mayExport && (
              <a href={`/api/v1/contacts/${contact.id}/record.json`} download className={buttonClass()}>
                <Download aria-hidden /> Export data
              </a>
            )}
            <Button variant="danger" icon={<Trash2 aria-hidden />} onPress={() => setAsking("delete")}>
              Delete
            </Button>
          </>
        }
      />
      <div className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,1.4fr)]">
        <div className="grid content-start gap-4">
          <Card title="Profile">
            <Definition items={profile(contact)} />
          </Card>
          <Card title="Attributes">
            {Object.keys(contact.attributes).length === 0 ? <p className="text-muted">None yet.</p> : <Definition items={Object.entries(contact.attributes)} />}
          </Card>
        </div>
        <Timeline contactId={contact.id} />
      </div>
      {asking === "edit" && <ContactForm contact={contact} onClose={close} />}
      <DeleteDialog contact={contact} open={asking === "delete"} onClose={close} />
      <ConsentDialog contact={contact} to={asking === "opt_in" ? "opted_in" : "opted_out"} open={asking === "opt_in" || asking === "opt_out"} onClose={close} />
    </>
  );
}

function profile(contact: Contact): [string, React.ReactNode][] {
  return [
    ["Phone", <CopyablePhone key="phone" phone={contact.phone} />],
    ["Consent", <ConsentSaid key="consent" contact={contact} />],
    ["Topics", contact.topics.join(", ") || "–"],
    ["Time zone", contact.timezone ?? "–"],
    ["Locale", contact.locale ?? "–"],
    ["Last change", dateTime(contact.updated_at)],
  ];
}

/** The state with its proof: when it was said, and where that is known from. */
function ConsentSaid({ contact }: { contact: Contact }) {
  const said = [contact.consent_changed_at && `since ${dateTime(contact.consent_changed_at)}`, contact.consent_origin && `source: ${contact.consent_origin}`].filter(Boolean).join(", ");
  return (
    <span>
      <ConsentChip consent={contact.consent} /> {said && <span className="text-sm wrap-anywhere text-muted">{said}</span>}
    </span>
  );
}

function CopyablePhone({ phone }: { phone: string }) {
  const copy = () =>
    navigator.clipboard?.writeText(phone).then(
      () => toast.done("Phone number copied"),
      (error: unknown) => toast.failed(error),
    );
  return (
    <span className="inline-flex items-center gap-1 tabular">
      {phone}
      {"clipboard" in navigator && (
        <IconButton label="Copy phone number" onPress={() => void copy()} className="-my-1.5 !size-7">
          <Copy />
        </IconButton>
      )}
    </span>
  );
}

function DeleteDialog({ contact, open, onClose }: { contact: Contact; open: boolean; onClose: () => void }) {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const bringBack = () =>
    createContact({ phone: contact.phone, attributes: contact.attributes, topics: contact.topics, timezone: contact.timezone, locale: contact.locale, consent: contact.consent === "stopped" ? undefined : contact.consent })
      .then(() => cache.invalidateQueries({ queryKey: ["contacts"] }))
      .catch(toast.failed);
  const remove = async () => {
    await deleteContact(contact.id);
    await navigate({ to: "/contacts" }); // the page is left before its queries are dropped, or they would ask for who is gone
    for (const of of ["detail", "timeline"]) cache.removeQueries({ queryKey: ["contacts", of, contact.id] });
    void cache.invalidateQueries({ queryKey: ["contacts", "list"] });
    if (contact.consent === "stopped") toast.done(`${contact.phone} deleted`);
    else toast.undo(`${contact.phone} deleted`, () => void bringBack());
  };
  return (
    <ConfirmDialog title="Delete this contact?" open={open} onClose={onClose} onConfirm={remove} action="Delete 1 contact" danger>
      <p>
        {contact.phone} is erased everywhere: the profile, and the number and text of every message sent and received. The counts in campaign reports stay.{" "}
        {contact.consent === "stopped" && "Their STOP stays in force: a contact that is added or imported again is stopped until they write START."}
        {contact.consent === "opted_out" && "Their opt-out stays in force when the contact is added or imported again."}
        {contact.consent !== "stopped" && " Undo brings back the profile, not the history."}
      </p>
    </ConfirmDialog>
  );
}

function ConsentDialog({ contact, to, open, onClose }: { contact: Contact; to: "opted_in" | "opted_out"; open: boolean; onClose: () => void }) {
  const cache = useQueryClient();
  const change = async () => {
    const saved = await updateContact(contact, { consent: to });
    cache.setQueryData(["contacts", "detail", contact.id], saved);
    void cache.invalidateQueries({ queryKey: ["contacts"] });
    toast.done(to === "opted_in" ? "Opted in" : "Opted out");
  };
  return (
    <ConfirmDialog title={to === "opted_in" ? "Opt this person in?" : "Opt this person out?"} open={open} onClose={onClose} onConfirm={change} action={to === "opted_in" ? "Opt in" : "Opt out"}>
      <p>{to === "opted_in" ? "Do this only if they agreed; the change is kept in the record with your name." : "No campaign sends to them from now on, including those that are running."}</p>
    </ConfirmDialog>
  );
}

const icons: Record<TimelineEntry["kind"], LucideIcon> = { consent: CircleCheck, message: Send, inbound: MessageSquareReply, import: FileUp, created: UserPlus, edited: Pencil };

const sources: [RegExp, string][] = [
  [/^import:/, "By an import"],
  [/^inbound:stop$/, "By writing STOP"],
  [/^inbound:start$/, "By writing START"],
  [/^inbound:wording$/, "By asking for it in other words"],
  [/^inbound:review$/, "By a decision about a reply"],
  [/^inbound:/, "By writing a message"],
  [/^staff$/, "By the team"],
  [/^twilio:/, "Reported by Twilio"],
];

/** An entry in words; the API gives states and sources as it stores them. */
export function inWords({ kind, title, detail, status, reason_title: reason }: TimelineEntry): { title: string; detail: string | null } {
  const source = detail && (sources.find(([pattern]) => pattern.test(detail))?.[1] ?? (kind === "consent" ? `Source: ${detail}` : detail));
  if (kind === "consent") return { title: `Consent: ${title.split(" → ").map((state) => consentNames[state as Consent] ?? sentence(state)).join(" → ")}`, detail: source };
  if (kind === "inbound") return { title: ["stop", "start", "help"].includes(title) ? `Wrote ${title.toUpperCase()}` : "Wrote a message", detail };
  if (kind === "import") return { title: `In the file ${title}`, detail };
  if (kind === "message" && status) return { title: `${title}: ${messageNames[status]}`, detail: [reason, detail].filter(Boolean).join(": ") || null };
  return { title, detail: source };
}

function Timeline({ contactId }: { contactId: string }) {
  const timeline = useQuery(timelineQuery(contactId));
  const now = useNow();
  const entries = timeline.data?.items ?? [];
  return (
    <Card title="Timeline">
      <QueryState query={timeline} skeleton={<Skeleton rows={5} />}>
        {entries.length === 0 && <p className="text-muted">No activity yet.</p>}
        <ol className="relative grid gap-5 before:absolute before:top-3 before:bottom-3 before:left-[15px] before:w-px before:bg-line">
          {entries.map((entry, index) => {
            const Icon = icons[entry.kind] ?? Pencil;
            const { title, detail } = inWords(entry);
            return (
              <li key={`${entry.at}-${index}`} className="relative flex gap-3.5">
                <span className="z-10 grid size-8 shrink-0 place-items-center rounded-full border border-line-strong/60 bg-solid text-muted">
                  <Icon aria-hidden className="size-4" />
                </span>
                <div className="min-w-0 grow pt-1">
                  <p className="flex flex-wrap items-baseline justify-between gap-x-4">
                    <span className="font-medium wrap-anywhere">
                      {entry.campaign_id ? (
                        <Link to="/campaigns/$campaignId" params={{ campaignId: entry.campaign_id }} className="underline-offset-4 hover:underline">
                          {title}
                        </Link>
                      ) : (
                        title
                      )}
                    </span>
                    <time dateTime={entry.at} title={dateTime(entry.at)} className="text-xs text-muted tabular">
                      {ago(entry.at, now)}
                    </time>
                  </p>
                  {detail && <p className="mt-0.5 line-clamp-4 text-sm wrap-anywhere text-muted">{detail}</p>}
                </div>
              </li>
            );
          })}
        </ol>
      </QueryState>
    </Card>
  );
}
