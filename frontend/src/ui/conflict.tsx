import { useEffect, useState, type ReactNode } from "react";
import { asProblem } from "../api/problem";
import type { Edited } from "../lib/edited";
import { fieldChanges, wordDiff, type FieldChange } from "../lib/merge";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { cx } from "./cx";

interface Props<Stored extends { version: number }, Draft extends object> {
  /** What it is, in a sentence: "template". */
  what: string;
  edited: Edited<Stored, Draft>;
  /** What each field is called on the form. */
  labels: Record<keyof Draft & string, string>;
  /** How a value reads; by default as text. */
  show?: (name: keyof Draft & string, draft: Draft) => string;
  /** Saves my changes on top of the newer version. */
  onKeepMine: (kept: { draft: Draft; base: Stored | undefined }) => void;
  /** The error of the last save: a refusal for a newer version opens the comparison. */
  error: unknown;
}

export const isStale = (error: unknown): boolean => error !== null && error !== undefined && asProblem(error).status === 412;

const changedBy = { you: "You changed this", them: "They changed this", both: "Both of you changed this" };

/** Where somebody saved a newer version meanwhile: theirs, mine, the difference, and a way to go on with either. */
export function Conflict<Stored extends { version: number }, Draft extends object>({ what, edited, labels, show, onKeepMine, error }: Props<Stored, Draft>) {
  const [comparing, setComparing] = useState(false);
  const refused = isStale(error) && edited.theirs !== null;
  useEffect(() => {
    if (refused) setComparing(true);
  }, [refused]);
  if (edited.theirs === null || edited.drafts.theirs === null) return null;
  const { draft, drafts, plain } = edited;
  const text = (name: keyof Draft & string, of: Draft): string => (show ? show(name, of) : String(of[name] ?? ""));
  const changes = fieldChanges(drafts.base, draft, drafts.theirs!, plain);
  const takeTheirs = () => {
    setComparing(false);
    edited.start(edited.theirs!);
  };
  const keepMine = () => {
    setComparing(false);
    onKeepMine(edited.keepMine());
  };
  return (
    <>
      <div role="alert" className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-2 rounded-md border border-warn bg-warn-soft px-4 py-3 text-sm">
        <p className="min-w-0 flex-1 basis-64">
          <span className="font-medium text-warn">{`Somebody else saved this ${what} while you were editing.`}</span> Your changes are still here and are not saved yet.
        </p>
        <Button size="sm" onPress={() => setComparing(true)}>
          Compare
        </Button>
      </div>
      <Dialog
        title={`This ${what} was changed by somebody else`}
        open={comparing}
        onClose={() => setComparing(false)}
        wide
        footer={
          <>
            <Button onPress={() => setComparing(false)}>Keep editing</Button>
            <Button variant="danger" onPress={takeTheirs}>
              Use their version
            </Button>
            <Button variant="primary" onPress={keepMine}>
              Keep my changes
            </Button>
          </>
        }
      >
        <p className="text-sm text-muted">“Keep my changes” saves the fields that you changed and leaves theirs in all others. “Use their version” discards what you changed.</p>
        {changes.length === 0 && <p className="mt-4">Both versions are the same.</p>}
        <div className="mt-4 grid gap-5">
          {changes.map((change) => (
            <Compared key={change.name} change={change} label={labels[change.name]} theirs={text(change.name, drafts.theirs!)} mine={text(change.name, draft)} />
          ))}
        </div>
      </Dialog>
    </>
  );
}

function Compared<Draft>({ change, label, theirs, mine }: { change: FieldChange<Draft>; label: string; theirs: string; mine: string }) {
  const pieces = wordDiff(theirs, mine);
  const side = (heading: string, only: "first" | "second", look: string): ReactNode => (
    <div className="min-w-0">
      <p className="mb-1 text-xs text-muted">{heading}</p>
      <p className="rounded-md border border-line bg-solid px-3 py-2 text-sm whitespace-pre-wrap wrap-anywhere">
        {pieces.map((piece, index) => piece.in === "both" ? piece.text : piece.in === only && <mark key={index} className={cx("rounded-sm px-0.5", look)}>{piece.text}</mark>)}
        {(only === "first" ? theirs : mine) === "" && <span className="text-muted">Empty</span>}
      </p>
    </div>
  );
  return (
    <section aria-label={label}>
      <h3 className="mb-1.5 flex flex-wrap items-baseline gap-x-3 text-sm font-semibold">
        {label} <span className="text-xs font-normal text-muted">{changedBy[change.by]}</span>
      </h3>
      <div className="grid gap-3 sm:grid-cols-2">
        {side("Their version (saved)", "first", "bg-warn-soft text-warn")}
        {side("Your version", "second", "bg-ok-soft text-ok")}
      </div>
    </section>
  );
}
