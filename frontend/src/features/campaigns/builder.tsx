import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Navigate, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { campaignQuery, createCampaign, deleteCampaign, updateCampaign } from "../../api/campaigns";
import { segmentsQuery, sendersQuery, templatesQuery } from "../../api/content";
import type { Campaign } from "../../api/types";
import { useEdited } from "../../lib/edited";
import { focusInvalid } from "../../lib/focus";
import { useMay } from "../../lib/permissions";
import { Button } from "../../ui/button";
import { Conflict, isStale } from "../../ui/conflict";
import { ConfirmDialog } from "../../ui/dialog";
import { PageHeader } from "../../ui/layout";
import { LeaveGuard } from "../../ui/leave-guard";
import { ReadOnly } from "../../ui/read-only";
import { Problems, QueryState, Skeleton } from "../../ui/states";
import { Stepper } from "../../ui/stepper";
import { toast } from "../../ui/toast";
import { begun, draftOf, furthest, inputOf, keepBegun, missing, savable, steps, type Draft, type Lack, type Step } from "./draft";
import { AudienceStep, DeliveryStep, TemplateStep } from "./steps";
import { ReviewStep } from "./review";

export default function BuilderPage() {
  const { campaignId } = useParams({ from: "/campaigns/$campaignId/edit" });
  return campaignId === "new" ? <Builder key="new" /> : <Existing key={campaignId} id={campaignId} />;
}

function Existing({ id }: { id: string }) {
  const campaign = useQuery(campaignQuery(id));
  if (campaign.data && campaign.data.status !== "draft" && campaign.data.status !== "scheduled") return <Navigate to="/campaigns/$campaignId" params={{ campaignId: id }} replace />;
  return (
    <QueryState query={campaign} skeleton={<Skeleton rows={3} height={160} />} gone={{ what: "Campaign", to: "/campaigns", label: "Campaigns" }}>
      {campaign.data && <Builder campaign={campaign.data} />}
    </QueryState>
  );
}

const labels: Record<keyof Draft, string> = {
  name: "Name", segment_id: "Segment", audience: "People", topic: "Topic", template_id: "Template", sender_id: "Sender", messages_per_second: "Messages per second",
  quiet: "Quiet hours", quiet_start: "Quiet hours begin", quiet_end: "Quiet hours end", timezone: "Time zone",
};

const nobody: Named[] = [];
interface Named {
  id: string;
  name: string;
}

/** How the values of a draft read beside another draft's: what is chosen by its name. */
function useShown(enabled: boolean): (name: keyof Draft, draft: Draft) => string {
  const segments: Named[] = useQuery({ ...segmentsQuery(), enabled }).data?.items ?? nobody;
  const templates: Named[] = useQuery({ ...templatesQuery(), enabled }).data?.items ?? nobody;
  const senders: Named[] = useQuery({ ...sendersQuery(), enabled }).data?.items ?? nobody;
  const chosen: Partial<Record<keyof Draft, Named[]>> = { segment_id: segments, template_id: templates, sender_id: senders };
  return (name, draft) => {
    const value = draft[name];
    if (name === "quiet") return value ? "Kept" : "None";
    if (name === "audience") return value === "everyone" ? "Everyone" : "A segment";
    return chosen[name]?.find((entry) => entry.id === value)?.name ?? String(value ?? "");
  };
}

function Builder({ campaign }: { campaign?: Campaign }) {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const search = useSearch({ from: "/campaigns/$campaignId/edit" });
  const edited = useEdited(campaign, draftOf, { first: campaign ? undefined : begun });
  const { draft, dirty } = edited;
  const [told, setTold] = useState<Lack | null>(null);
  const [deleting, setDeleting] = useState(false);
  const mayNot = useMay("campaigns:write") === false;
  const reach = furthest(draft);
  // What cannot be saved yet is kept in this browser, so that a template or a sender can be added meanwhile.
  useEffect(() => {
    if (!campaign) keepBegun(dirty ? draft : null);
  }, [campaign, dirty, draft]);
  const order = steps.map((entry) => entry.id);
  const wanted = search.step ?? (campaign ? reach : "audience");
  const step: Step = order.indexOf(wanted) > order.indexOf(reach) ? reach : wanted;

  const show = (next: Step, id = campaign?.id ?? "new") => {
    setTold(null);
    return navigate({ to: "/campaigns/$campaignId/edit", params: { campaignId: id }, search: { step: next }, ignoreBlocker: true, replace: id !== campaign?.id && campaign === undefined && id !== "new" });
  };
  const save = useMutation({
    mutationFn: (given: { draft: Draft; base?: Campaign }) => (given.base ? updateCampaign(given.base, inputOf(given.draft)) : createCampaign(inputOf(given.draft))),
    onSuccess: (stored, given) => {
      cache.setQueryData(["campaigns", "detail", stored.id], stored);
      void cache.invalidateQueries({ queryKey: ["campaigns", "list"] });
      if (!campaign) keepBegun(null);
      edited.start(stored, given.draft);
    },
    onError: (error) => isStale(error) && cache.invalidateQueries({ queryKey: ["campaigns", "detail", campaign?.id] }),
  });
  const kept = { draft, base: edited.base };
  const shown = useShown(edited.theirs !== null);
  const go = async (next: Step) => {
    if (!savable(draft) || (campaign && !dirty)) return show(next);
    const stored = await save.mutateAsync(kept).catch(() => null);
    return stored ? show(next, stored.id) : undefined;
  };
  const forward = () => {
    const lack = missing(draft, step);
    setTold(lack);
    if (lack !== null) focusInvalid();
    if (lack === null) void go(order[order.indexOf(step) + 1] ?? "review");
  };
  const change = (patch: Partial<Draft>) => {
    setTold(null);
    edited.change(patch);
  };
  const errorOf = (field: keyof Draft): string | undefined => (told?.field === field ? told.message : undefined);
  const place = { draft, change, errorOf };

  return (
    <>
      <LeaveGuard dirty={campaign !== undefined && dirty && !save.isPending} onSave={savable(draft) ? () => save.mutateAsync(kept) : undefined} />
      <PageHeader needs="campaigns:write"
        title={campaign ? campaign.name : draft.name.trim() || "New campaign"}
        back={{ to: "/campaigns", label: "Campaigns" }}
        meta={<span>{campaign ? (dirty ? "Unsaved changes" : "Draft saved") : dirty && !savable(draft) ? "Saved in this browser until it has a name and a template" : "Not saved yet"}</span>}
        actions={
          <>
            {campaign?.status === "draft" && (
              <Button variant="danger" icon={<Trash2 aria-hidden />} onPress={() => setDeleting(true)}>
                Delete draft
              </Button>
            )}
            {!campaign && dirty && <Button onPress={() => edited.start(undefined)}>Start over</Button>}
            {dirty && savable(draft) && step !== "review" && (
              <Button isPending={save.isPending} onPress={() => void save.mutateAsync(kept).then((stored) => (campaign ? undefined : show(step, stored.id)), () => undefined)}>
                Save draft
              </Button>
            )}
          </>
        }
      />
      <Stepper label="Steps" steps={steps} current={step} onOpen={(id) => void go(id)} reached={(id) => order.indexOf(id) <= order.indexOf(reach)} />
      <Conflict what="campaign" edited={edited} labels={labels} show={shown} error={save.error} onKeepMine={save.mutate} />
      {!isStale(save.error) && <Problems error={save.error} className="mb-4" />}
      <ReadOnly needs="campaigns:write">
        {step === "audience" && <AudienceStep {...place} />}
        {step === "template" && <TemplateStep {...place} />}
        {step === "delivery" && <DeliveryStep {...place} />}
      </ReadOnly>
      {step === "review" && campaign && !dirty && <ReviewStep campaign={campaign} onStep={(id) => void show(id)} />}
      {step === "review" && !mayNot && (!campaign || dirty) && (
        <Button variant="primary" isPending={save.isPending} onPress={() => void go("review")}>
          Save and run the preflight
        </Button>
      )}
      {step !== "review" && !mayNot && (
        <div className="sticky bottom-3 z-20 mt-4 flex flex-wrap items-center gap-3 rounded-lg border border-line bg-solid p-3 shadow-card">
          {step !== "audience" && <Button onPress={() => void go(order[order.indexOf(step) - 1] ?? "audience")}>Back</Button>}
          <Button variant="primary" isPending={save.isPending} onPress={forward}>
            {step === "delivery" ? "Save and review" : "Continue"}
          </Button>
          {told && (
            <p role="alert" className="text-md font-medium text-bad">
              {told.message}
            </p>
          )}
        </div>
      )}
      {campaign && <DeleteDialog campaign={campaign} open={deleting} onClose={() => setDeleting(false)} />}
    </>
  );
}

function DeleteDialog({ campaign, open, onClose }: { campaign: Campaign; open: boolean; onClose: () => void }) {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const remove = async () => {
    await deleteCampaign(campaign.id);
    void cache.invalidateQueries({ queryKey: ["campaigns", "list"] });
    toast.done(`${campaign.name} deleted`);
    void navigate({ to: "/campaigns", ignoreBlocker: true });
  };
  return (
    <ConfirmDialog title="Delete this draft?" open={open} onClose={onClose} onConfirm={remove} action="Delete draft" danger>
      <p>Nothing has been sent. Its template and segment stay.</p>
    </ConfirmDialog>
  );
}
