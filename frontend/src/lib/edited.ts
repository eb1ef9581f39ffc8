import { useMemo, useState } from "react";
import { isSame, merged, type Plain } from "./merge";

interface Versioned {
  version: number;
}

/** A form over something stored that others may change meanwhile. */
export interface Edited<Stored extends Versioned, Draft extends object> {
  /** The version that the draft began from; undefined for something new. */
  base: Stored | undefined;
  draft: Draft;
  change: (patch: Partial<Draft>) => void;
  dirty: boolean;
  /** A newer stored version, while the draft has changes of its own. */
  theirs: Stored | null;
  /** The draft as it was when `base` was stored, and as it is in the newer version. */
  drafts: { base: Draft; theirs: Draft | null };
  plain: Plain<Draft>;
  /** Begins again from what is stored now. */
  start: (stored: Stored | undefined, draft?: Draft) => void;
  /** Puts my changes on the newer version; returns what is to be saved. */
  keepMine: () => { draft: Draft; base: Stored | undefined };
}

const asItIs = <Draft extends object>(draft: Draft): Draft => draft;

/** `stored` comes from the query: while the form is untouched it follows what is stored; once it is changed, a newer version becomes `theirs`. */
export function useEdited<Stored extends Versioned, Draft extends object>(stored: Stored | undefined, draftOf: (stored?: Stored) => Draft, options: { plain?: Plain<Draft>; first?: () => Draft } = {}): Edited<Stored, Draft> {
  const plain = options.plain ?? (asItIs as Plain<Draft>);
  const [base, setBase] = useState(stored);
  const [draft, setDraft] = useState(() => options.first?.() ?? draftOf(stored));
  // oxlint-disable-next-line react-hooks/exhaustive-deps -- draftOf reads nothing but what it is given
  const saved = useMemo(() => draftOf(base), [base]);
  const dirty = !isSame(draft, saved, plain);
  const isNewer = stored !== undefined && base !== undefined && stored.version > base.version;
  const start = (next: Stored | undefined, given = draftOf(next)) => {
    setBase(next);
    setDraft(given);
  };
  if (isNewer && !dirty) start(stored);
  const theirs = isNewer && dirty ? stored : null;
  const drafts = { base: saved, theirs: theirs && draftOf(theirs) };
  return {
    base,
    draft,
    dirty,
    theirs,
    drafts,
    plain,
    start,
    change: (patch) => setDraft((old) => ({ ...old, ...patch })),
    keepMine: () => {
      const next = drafts.theirs ? merged(drafts.base, draft, drafts.theirs, plain) : draft;
      start(theirs ?? base, next);
      return { draft: next, base: theirs ?? base };
    },
  };
}
