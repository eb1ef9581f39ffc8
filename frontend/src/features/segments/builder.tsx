import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { attributesQuery } from "../../api/contacts";
import { createSegment, deleteSegment, segmentQuery, updateSegment } from "../../api/content";
import { asProblem } from "../../api/problem";
import type { Evaluation, Segment } from "../../api/types";
import { useEdited } from "../../lib/edited";
import { dateTime, plural } from "../../lib/format";
import { Button } from "../../ui/button";
import { Conflict, isStale } from "../../ui/conflict";
import { ConfirmDialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Card, PageHeader } from "../../ui/layout";
import { LeaveGuard } from "../../ui/leave-guard";
import { ReadOnly } from "../../ui/read-only";
import { Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { RuleTree } from "./rule-tree";
import { complete, describe, emptyRoot, leaves, repeated, toRoot, toRule, type Group } from "./rules";
import { SizePanel, useEvaluation } from "./size-panel";

export default function SegmentPage() {
  const { segmentId } = useParams({ from: "/segments/$segmentId" });
  return segmentId === "new" ? <Builder /> : <Existing key={segmentId} id={segmentId} />;
}

function Existing({ id }: { id: string }) {
  const segment = useQuery(segmentQuery(id));
  return (
    <QueryState query={segment} skeleton={<Skeleton rows={3} height={160} />} gone={{ what: "Segment", to: "/segments", label: "Segments" }}>
      {segment.data && <Builder segment={segment.data} />}
    </QueryState>
  );
}

interface Draft {
  name: string;
  description: string;
  root: Group;
}

const draftOf = (segment?: Segment): Draft => ({ name: segment?.name ?? "", description: segment?.description ?? "", root: segment ? toRoot(segment.definition) : emptyRoot() });

const noRemarks: ReadonlyMap<string, string> = new Map();

/** For each rule, by its id, whom it passes over because their value cannot be compared. */
function remarksOf(root: Group, { unreadable }: Evaluation): ReadonlyMap<string, string> {
  const rules = leaves(root);
  return new Map(
    unreadable.flatMap((entry): [string, string][] => {
      const leaf = rules[entry.condition];
      const people = plural(entry.count, "person has", "people have");
      return leaf ? [[leaf.id, `${people} a value here that is not a ${entry.needs}, so this rule never matches them: ${entry.samples.join(", ")}${entry.count > entry.samples.length ? ", …" : ""}`]] : [];
    }),
  );
}

/** The rules without the ids that only the form gives them. */
const plain = (draft: Draft) => ({ name: draft.name, description: draft.description, root: toRule(draft.root) });
const labels: Record<keyof Draft, string> = { name: "Name", description: "Description", root: "Who is in it" };
const shown = (name: keyof Draft, draft: Draft): string => (name === "root" ? describe(toRule(draft.root)) : draft[name]);

function Builder({ segment }: { segment?: Segment }) {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const attributes = useQuery(attributesQuery());
  const edited = useEdited(segment, draftOf, { plain });
  const { draft, dirty, change } = edited;
  const [deleting, setDeleting] = useState(false);
  const rule = useMemo(() => toRule(draft.root), [draft.root]);
  const ready = complete(draft.root);
  const size = useEvaluation(draft.root);
  const remarks = ready && !size.estimating && size.evaluation.data ? remarksOf(draft.root, size.evaluation.data) : noRemarks;
  const notes = new Map([...remarks, ...repeated(draft.root).map((leaf): [string, string] => [leaf.id, "This rule is already in the group. Change it or remove it."])]);

  const save = useMutation({
    mutationFn: (given: { draft: Draft; base?: Segment }) => {
      const body = { name: given.draft.name.trim(), description: given.draft.description.trim(), definition: toRule(given.draft.root) };
      return given.base ? updateSegment(given.base, body) : createSegment(body);
    },
    onSuccess: (stored, given) => {
      cache.setQueryData(["segments", "detail", stored.id], stored);
      void cache.invalidateQueries({ queryKey: ["segments", "list"] });
      edited.start(stored, { ...given.draft, name: stored.name, description: stored.description });
      toast.done("Segment saved");
    },
    onError: (error) => isStale(error) && cache.invalidateQueries({ queryKey: ["segments", "detail", segment?.id] }),
  });
  const storedId = save.data?.id;
  useEffect(() => {
    if (!segment && storedId) void navigate({ to: "/segments/$segmentId", params: { segmentId: storedId }, replace: true });
  }, [segment, storedId, navigate]);
  const problem = save.error && !isStale(save.error) ? asProblem(save.error) : null;

  return (
    <>
      <LeaveGuard dirty={dirty} />
      <PageHeader needs="campaigns:write"
        title={segment ? segment.name : "New segment"}
        back={{ to: "/segments", label: "Segments" }}
        meta={<span>{dirty ? "Unsaved changes" : segment ? `Saved ${dateTime(segment.updated_at)}` : "Not saved yet"}</span>}
        actions={
          <>
            {segment && (
              <Button variant="danger" icon={<Trash2 aria-hidden />} onPress={() => setDeleting(true)}>
                Delete
              </Button>
            )}
            <Button variant="primary" isDisabled={!dirty || !ready || draft.name.trim() === ""} isPending={save.isPending} onPress={() => save.mutate({ draft, base: edited.base })}>
              Save
            </Button>
          </>
        }
      />
      <Conflict what="segment" edited={edited} labels={labels} show={shown} error={save.error} onKeepMine={save.mutate} />
      <div className="grid gap-4 xl:grid-cols-[minmax(0,1fr)_20rem]">
        <ReadOnly needs="campaigns:write">
        <div className="grid content-start gap-4">
          <Card>
            <div className="grid gap-4 pt-3">
              <Problems error={problem} placed={["name"]} />
              <div className="grid gap-4 sm:grid-cols-2">
                <TextField label="Name" required value={draft.name} onChange={(name) => change({ name })} autoFocus={!segment} error={problem?.field("name")} />
                <TextField label="Description" value={draft.description} onChange={(description) => change({ description })} />
              </div>
            </div>
          </Card>
          <Card title="Who is in it">
            <RuleTree root={draft.root} onChange={(root) => change({ root })} attributes={attributes.data?.items ?? []} remarks={notes} />
            <p className="mt-3 text-sm text-muted">In words: {ready ? describe(rule) : "some rules are not finished."}</p>
          </Card>
        </div>
        </ReadOnly>
        <SizePanel {...size} ready={ready} />
      </div>
      {segment && <DeleteDialog segment={segment} open={deleting} onClose={() => setDeleting(false)} />}
    </>
  );
}

function DeleteDialog({ segment, open, onClose }: { segment: Segment; open: boolean; onClose: () => void }) {
  const navigate = useNavigate();
  const cache = useQueryClient();
  const remove = async () => {
    await deleteSegment(segment.id);
    void cache.invalidateQueries({ queryKey: ["segments", "list"] });
    toast.done(`${segment.name} deleted`);
    void navigate({ to: "/segments", ignoreBlocker: true });
  };
  return (
    <ConfirmDialog title="Delete this segment?" open={open} onClose={onClose} onConfirm={remove} action="Delete segment" danger>
      <p>Nobody is deleted. Campaigns that were launched with it keep the people they had.</p>
    </ConfirmDialog>
  );
}
