import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleAlert } from "lucide-react";
import { useState } from "react";
import { holdQuery, releaseHold } from "../../api/restore";
import type { GapCampaign, Hold } from "../../api/types";
import { count, dateTime, duration, plural } from "../../lib/format";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Definition } from "../../ui/layout";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";

/** Why sending is held, what may have been sent that this database does not know, and the way out. */
export function HoldCard() {
  const hold = useQuery(holdQuery()).data;
  const [releasing, setReleasing] = useState(false);
  if (hold?.state !== "held") return null;
  return (
    <section role="alert" aria-label="Hold on sending" className="grid gap-4 rounded-md border border-bad bg-bad-soft px-4 py-4 text-md">
      <div className="flex gap-3">
        <CircleAlert aria-hidden className="mt-0.5 size-5 shrink-0 text-bad" />
        <div className="min-w-0">
          <h2 className="font-semibold">Sending is held</h2>
          <p className="wrap-anywhere">{hold.reason}</p>
        </div>
      </div>
      <Definition items={facts(hold)} />
      <Campaigns campaigns={hold.campaigns} />
      <p className="text-sm text-muted">
        Campaigns that were made and launched after the backup are gone from this database; Twilio’s message log has what they sent. One that was paused or canceled after it runs again here: pause it first.
      </p>
      <div>
        <Button variant="primary" needs="streams:operate" onPress={() => setReleasing(true)}>
          Release the hold…
        </Button>
      </div>
      {releasing && <Release hold={hold} onClose={() => setReleasing(false)} />}
    </section>
  );
}

function facts(hold: Hold): [string, string][] {
  const gap = hold.known_until && hold.since ? Math.max(0, (Date.parse(hold.since) - Date.parse(hold.known_until)) / 1000) : null;
  return [
    ["Held since", hold.since ? dateTime(hold.since) : "–"],
    ["The database knows what was sent until", `${hold.known_until ? dateTime(hold.known_until) : "–"}${gap === null ? "" : `, ${duration(gap)} before the hold`}`],
    ["Claims of messages and mails", `${count(hold.claims)} in the database, ${hold.witness_claims === null ? "not known" : count(hold.witness_claims)} by the witness`],
    ["Newest tick", `${tick(hold.newest_tick)} in the database, ${hold.witness_tick === null ? "not known" : tick(hold.witness_tick)} by the witness`],
  ];
}

const tick = (id: number): string => (id > 0 ? dateTime(id) : "none");

function Campaigns({ campaigns }: { campaigns: GapCampaign[] }) {
  if (campaigns.length === 0) return <p>No campaign of this database is open.</p>;
  return (
    <ul aria-label="Campaigns that may have sent in the gap" className="divide-y divide-line rounded-md border border-line bg-solid">
      {campaigns.map((campaign) => (
        <li key={campaign.id} className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1 px-4 py-2">
          <Link to="/campaigns/$campaignId" params={{ campaignId: campaign.id }} className="font-medium wrap-anywhere underline-offset-4 hover:underline">
            {campaign.name}
          </Link>
          <span className="text-sm text-muted">{unsure(campaign)}</span>
        </li>
      ))}
    </ul>
  );
}

const unsure = ({ status, open_messages }: GapCampaign): string =>
  status === "draft" || status === "scheduled" ? `${status}; may have been launched in the gap` : `${status}; ${plural(open_messages, "open message")} may have been sent`;

function Release({ hold, onClose }: { hold: Hold; onClose: () => void }) {
  const cache = useQueryClient();
  const [reason, setReason] = useState("");
  const run = useMutation({
    mutationFn: () => releaseHold(reason.trim()),
    onSuccess: (done) => {
      toast.done(`Sending goes on; ${plural(done.inbound_applied, "message")} from people applied`);
      void cache.invalidateQueries({ queryKey: ["restore"] });
      void cache.invalidateQueries({ queryKey: ["backbone"] });
      onClose();
    },
  });
  return (
    <Dialog
      title="Release the hold on sending"
      role="alertdialog"
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Keep the hold</Button>
          <Button variant="primary" isDisabled={reason.trim() === ""} isPending={run.isPending} onPress={() => run.mutate()}>
            Release
          </Button>
        </>
      }
    >
      <div className="grid gap-4">
        <ol className="grid list-decimal gap-1 pl-5">
          <li>{`Twilio is asked for the messages that people wrote since ${hold.known_until ? dateTime(hold.known_until) : "the backup"}; each STOP is applied. While it does not answer, the hold stays.`}</li>
          <li>Each open message of these campaigns is looked for at Twilio. It is sent only if Twilio does not have it.</li>
          <li>Mails that waited at the time of the backup are given up.</li>
          <li>The database is accepted as the one to go on with, and the streams are rebuilt from it.</li>
        </ol>
        <TextField label="Why is this database the right one?" required value={reason} onChange={setReason} />
        <Problems error={run.error} />
      </div>
    </Dialog>
  );
}
