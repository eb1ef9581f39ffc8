import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { discard, redrive } from "../../api/backbone";
import type { DeadLetter, LetterFilter } from "../../api/types";
import { count, duration, plural } from "../../lib/format";
import { Button } from "../../ui/button";
import { Chip, type Tone } from "../../ui/chip";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Problems, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { rateError, rateOf } from "./rate";
import { shortError } from "./words";

const tones: Record<DeadLetter["status"], Tone> = { open: "bad", redriven: "ok", discarded: "neutral" };
export const LetterChip = ({ status }: { status: DeadLetter["status"] }) => <Chip tone={tones[status]}>{status === "open" ? "Open" : status === "redriven" ? "Redriven" : "Discarded"}</Chip>;

/** Redrives one letter at once: the group applies an event at most once, so trying again can do no harm. */
export function useRedriveOne() {
  const cache = useQueryClient();
  return useMutation({
    mutationFn: (letter: DeadLetter) => redrive({ ids: [letter.id], dry_run: false }),
    onSuccess: (answer, letter) => {
      toast.done(answer.redriven > 0 ? `${letter.type} redriven to ${letter.group}` : `${letter.type} was already resolved`);
      void cache.invalidateQueries({ queryKey: ["backbone"] });
    },
    onError: toast.failed,
  });
}

/** Letters named one by one or by filter, and how to call them. */
export interface Chosen extends LetterFilter {
  words: string;
}

interface Props {
  chosen: Chosen;
  onClose: () => void;
  onDone: () => void;
}

const named = ({ ids, filter }: Chosen): LetterFilter => (ids ? { ids } : { filter });

/** Begins with a dry run: what is asked for is seen before it is done. */
export function RedriveDialog({ chosen, onClose, onDone }: Props) {
  const cache = useQueryClient();
  const [rate, setRate] = useState("");
  const dry = useQuery({ queryKey: ["backbone", "redrive-dry-run", named(chosen)], queryFn: () => redrive({ ...named(chosen), dry_run: true }), staleTime: 0, retry: false });
  const perSecond = rateOf(rate);
  const wrong = rateError(rate);
  const run = useMutation({
    mutationFn: () => redrive({ ...named(chosen), dry_run: false, per_second: perSecond }),
    onSuccess: (answer) => {
      toast.done(`${plural(answer.redriven, "dead letter")} redriven`);
      void cache.invalidateQueries({ queryKey: ["backbone"] });
      onDone();
      onClose();
    },
  });
  const matched = dry.data?.matched ?? 0;
  return (
    <Dialog
      title="Redrive dead letters"
      open
      onClose={onClose}
      wide
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" isDisabled={matched === 0 || wrong !== undefined} isPending={run.isPending} onPress={() => run.mutate()}>
            Redrive {plural(matched, "dead letter")}
          </Button>
        </>
      }
    >
      <div className="grid gap-4">
        <QueryState query={dry} skeleton={<Skeleton rows={3} height={32} />}>
          <p className="text-md">
            <span className="font-semibold tabular">{count(matched)}</span> {matched === 1 ? "dead letter matches" : "dead letters match"}: {chosen.words}. {matched === 1 ? "It goes" : "They go"} back to the group that gave {matched === 1 ? "it" : "them"} up, in order per key; no other group sees {matched === 1 ? "it" : "them"} again. What fails again becomes a dead letter again.
          </p>
          {dry.data && dry.data.sample.length > 0 && (
            <ul className="divide-y divide-line rounded-md border border-line bg-solid" aria-label="The first of them">
              {dry.data.sample.map((letter) => (
                <li key={letter.id} className="flex flex-wrap items-baseline justify-between gap-x-4 px-4 py-2 text-sm">
                  <span className="font-medium">{letter.type}</span>
                  <span className="text-muted">{letter.group}</span>
                  <span className="w-full truncate text-xs text-muted">{shortError(letter)}</span>
                </li>
              ))}
              {matched > dry.data.sample.length && <li className="px-4 py-2 text-xs text-muted">and {count(matched - dry.data.sample.length)} more</li>}
            </ul>
          )}
        </QueryState>
        <TextField
          label="At most a second"
          inputMode="numeric"
          value={rate}
          onChange={setRate}
          placeholder="No limit"
          hint={perSecond && !wrong ? `About ${duration(matched / perSecond)} for all of them.` : "A lower rate protects what the handlers call."}
          error={wrong}
        />
        <Problems error={run.error} />
      </div>
    </Dialog>
  );
}

export function DiscardDialog({ chosen, onClose, onDone }: Props) {
  const cache = useQueryClient();
  const [reason, setReason] = useState("");
  const dry = useQuery({ queryKey: ["backbone", "discard-dry-run", named(chosen)], queryFn: () => discard({ ...named(chosen), reason: "dry run", dry_run: true }), staleTime: 0, retry: false });
  const run = useMutation({
    mutationFn: () => discard({ ...named(chosen), reason: reason.trim(), dry_run: false }),
    onSuccess: (answer) => {
      toast.done(`${plural(answer.discarded, "dead letter")} discarded`);
      void cache.invalidateQueries({ queryKey: ["backbone"] });
      onDone();
      onClose();
    },
  });
  const matched = dry.data?.matched ?? 0;
  return (
    <Dialog
      title="Discard dead letters"
      role="alertdialog"
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="danger" type="submit" form="discard-letters" isDisabled={matched === 0 || reason.trim() === ""} isPending={run.isPending}>
            Discard {plural(matched, "dead letter")}
          </Button>
        </>
      }
    >
      <form
        id="discard-letters"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          run.mutate();
        }}
      >
        <QueryState query={dry} skeleton={<Skeleton rows={2} height={32} />}>
          <p className="text-md">
            <span className="font-semibold tabular">{count(matched)}</span> {matched === 1 ? "dead letter matches" : "dead letters match"}: {chosen.words}. The group will never apply them. They stay readable under “Discarded”, with your name and reason. You cannot undo this here.
          </p>
        </QueryState>
        <TextField label="Why" required value={reason} onChange={setReason} autoFocus hint="Recorded with each dead letter and in the audit trail." />
        <Problems error={run.error} />
      </form>
    </Dialog>
  );
}
