import { useQuery, useQueryClient } from "@tanstack/react-query";
import { AtSign, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { deleteSender, sendersQuery } from "../../api/content";
import type { Sender } from "../../api/types";
import { date, perSecond, plural } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { Button, IconButton } from "../../ui/button";
import { Chip, channelName } from "../../ui/chip";
import { ConfirmDialog } from "../../ui/dialog";
import { PageHeader } from "../../ui/layout";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { SenderForm } from "./form";

type Asking = { what: "add" } | { what: "edit" | "delete"; sender: Sender } | null;

export default function Senders() {
  const senders = useQuery(sendersQuery());
  const [asking, setAsking] = useState<Asking>(null);
  const items = senders.data?.items ?? [];
  const add = (
    <Button needs="senders:write" variant="primary" icon={<Plus aria-hidden />} onPress={() => setAsking({ what: "add" })}>
      Add sender
    </Button>
  );
  return (
    <>
      <PageHeader needs="senders:write" title="Senders" meta={senders.data && <span>{plural(items.length, "sender")}</span>} actions={add} />
      <QueryState query={senders} skeleton={<Skeleton rows={2} height={130} />}>
        {items.length === 0 ? (
          <div className="card">
            <EmptyState icon={<AtSign aria-hidden />} title="No sender yet" action={add}>
              A sender is a WhatsApp or SMS number, or a messaging service, that your campaigns come from.
            </EmptyState>
          </div>
        ) : (
          <ArrowList className="grid gap-4 md:grid-cols-2 2xl:grid-cols-3">
            {items.map((sender) => (
              <SenderCard key={sender.id} sender={sender} onAsk={(what) => setAsking({ what, sender })} />
            ))}
          </ArrowList>
        )}
      </QueryState>
      {asking?.what === "add" && <SenderForm onClose={() => setAsking(null)} />}
      {asking?.what === "edit" && <SenderForm sender={items.find((item) => item.id === asking.sender.id) ?? asking.sender} onClose={() => setAsking(null)} />}
      {asking?.what === "delete" && <DeleteDialog sender={asking.sender} onClose={() => setAsking(null)} />}
    </>
  );
}

function SenderCard({ sender, onAsk }: { sender: Sender; onAsk: (what: "edit" | "delete") => void }) {
  return (
    <li className="card grid gap-3 p-5">
      <div className="flex items-start justify-between gap-3">
        <div className="min-w-0">
          <h2 className="text-md font-semibold wrap-anywhere">{sender.name}</h2>
          <p className="mt-0.5 font-mono text-sm wrap-anywhere text-muted">{sender.address}</p>
        </div>
        <Chip tone={sender.channel === "whatsapp" ? "ok" : "info"}>{channelName(sender.channel)}</Chip>
      </div>
      <div className="flex items-center justify-between gap-3">
        <p className="text-sm text-muted">
          <span className="font-medium text-text tabular">{perSecond(sender.messages_per_second)}</span> · added {date(sender.created_at)}
        </p>
        <span className="-mr-2 flex">
          <IconButton needs="senders:write" label={`Edit ${sender.name}`} onPress={() => onAsk("edit")}>
            <Pencil />
          </IconButton>
          <IconButton needs="senders:write" label={`Delete ${sender.name}`} onPress={() => onAsk("delete")}>
            <Trash2 />
          </IconButton>
        </span>
      </div>
    </li>
  );
}

function DeleteDialog({ sender, onClose }: { sender: Sender; onClose: () => void }) {
  const cache = useQueryClient();
  const remove = async () => {
    await deleteSender(sender.id);
    await cache.invalidateQueries({ queryKey: ["senders"] });
    toast.done(`${sender.name} deleted`);
  };
  return (
    <ConfirmDialog title={`Delete “${sender.name}”?`} open onClose={onClose} onConfirm={remove} action="Delete sender" danger>
      <p>Drafts that use it need another sender. A sender of a campaign that is running cannot be deleted.</p>
    </ConfirmDialog>
  );
}
