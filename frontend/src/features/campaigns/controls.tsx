import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Ban, CalendarX, Pause, Pencil, Play } from "lucide-react";
import { useState } from "react";
import { cancelCampaign, pauseCampaign, resumeCampaign, unscheduleCampaign } from "../../api/campaigns";
import type { Campaign } from "../../api/types";
import { count, plural } from "../../lib/format";
import { Button, buttonClass } from "../../ui/button";
import { ConfirmDialog } from "../../ui/dialog";
import { openCount } from "../../ui/counts";

type Asking = "unschedule" | "pause" | "resume" | "cancel" | null;

/** What can be done with a campaign in its present state. */
export function Controls({ campaign }: { campaign: Campaign }) {
  const [asking, setAsking] = useState<Asking>(null);
  const cache = useQueryClient();
  const close = () => setAsking(null);
  const run = (action: (id: string) => Promise<Campaign>) => async () => {
    const stored = await action(campaign.id);
    cache.setQueryData(["campaigns", "detail", campaign.id], stored);
    await cache.invalidateQueries({ queryKey: ["campaigns"] });
  };
  const open = openCount(campaign.counts);
  const { status } = campaign;
  return (
    <>
      {(status === "draft" || status === "scheduled") && (
        <Link to="/campaigns/$campaignId/edit" params={{ campaignId: campaign.id }} className={buttonClass("primary")}>
          <Pencil aria-hidden /> Edit
        </Link>
      )}
      {status === "scheduled" && (
        <Button icon={<CalendarX aria-hidden />} onPress={() => setAsking("unschedule")}>
          Unschedule
        </Button>
      )}
      {status === "running" && (
        <Button variant="primary" icon={<Pause aria-hidden />} onPress={() => setAsking("pause")}>
          Pause campaign
        </Button>
      )}
      {status === "paused" && (
        <Button variant="primary" icon={<Play aria-hidden />} onPress={() => setAsking("resume")}>
          Resume campaign
        </Button>
      )}
      {(status === "running" || status === "paused" || status === "scheduled") && (
        <Button variant="danger" icon={<Ban aria-hidden />} onPress={() => setAsking("cancel")}>
          Cancel campaign
        </Button>
      )}
      <ConfirmDialog title="Unschedule this campaign?" open={asking === "unschedule"} onClose={close} onConfirm={run(unscheduleCampaign)} action="Back to a draft">
        <p>It becomes a draft again. Nothing is sent until you launch it.</p>
      </ConfirmDialog>
      <ConfirmDialog title="Pause this campaign?" open={asking === "pause"} onClose={close} onConfirm={run(pauseCampaign)} action="Pause">
        <p>{plural(open, "person waits", "people wait")}; nothing more is sent to them until you resume. Messages that Twilio has already accepted are delivered.</p>
      </ConfirmDialog>
      <ConfirmDialog title="Resume this campaign?" open={asking === "resume"} onClose={close} onConfirm={run(resumeCampaign)} action={`Send to ${plural(open, "person", "people")}`}>
        {campaign.pause_reason && <p>It was paused because: {campaign.pause_reason}</p>}
        <p>Sending goes on to {plural(open, "person", "people")}, each checked against consent again.</p>
      </ConfirmDialog>
      <ConfirmDialog title="Cancel this campaign?" open={asking === "cancel"} onClose={close} onConfirm={run(cancelCampaign)} action={status === "scheduled" ? "Cancel the launch" : `Cancel for ${plural(open, "person", "people")}`} dismiss="Keep the campaign" danger>
        {status === "scheduled" ? (
          <p>It will not launch. No messages have been sent.</p>
        ) : (
          <p>
            {plural(open, "person", "people")} of {count(campaign.counts.audience)} will not get it. What was sent stays sent; a canceled campaign cannot be resumed.
          </p>
        )}
      </ConfirmDialog>
    </>
  );
}
