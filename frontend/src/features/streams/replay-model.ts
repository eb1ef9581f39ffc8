import type { ReplayInput } from "../../api/types";

/** A range is named one way at both ends. */
export type RangeBy = "time" | "entry";

export interface ReplayForm {
  group: string | null;
  stream: string;
  types: string;
  key: string;
  by: RangeBy;
  fromTime: string;
  toTime: string;
  fromEntry: string;
  toEntry: string;
  rate: string;
}

export const blankReplay: ReplayForm = { group: null, stream: "any", types: "", key: "", by: "time", fromTime: "", toTime: "", fromEntry: "", toEntry: "", rate: "" };

/** Local times as the browser has them; empty fields, and the ends named the other way, are left out. */
export function replayInput(form: ReplayForm, dryRun: boolean): ReplayInput {
  const types = form.types.split(",").map((type) => type.trim()).filter(Boolean);
  return {
    group: form.group ?? "",
    dry_run: dryRun,
    ...(form.stream === "any" ? {} : { stream: form.stream }),
    ...(types.length > 0 ? { types } : {}),
    ...(form.key.trim() ? { key: form.key.trim() } : {}),
    ...(form.by === "time" ? times(form) : entries(form)),
    ...(form.rate.trim() ? { per_second: Number(form.rate) } : {}),
  };
}

const times = (form: ReplayForm): Partial<ReplayInput> => ({
  ...(form.fromTime ? { from_time: new Date(form.fromTime).toISOString() } : {}),
  ...(form.toTime ? { to_time: new Date(form.toTime).toISOString() } : {}),
});

const entries = (form: ReplayForm): Partial<ReplayInput> => ({
  ...(form.fromEntry.trim() ? { from_entry_id: form.fromEntry.trim() } : {}),
  ...(form.toEntry.trim() ? { to_entry_id: form.toEntry.trim() } : {}),
});

/** What is wrong with each end of the range that is asked for. */
export function rangeErrors(form: ReplayForm): { from?: string; to?: string } {
  if (form.by === "time") return form.fromTime !== "" && form.toTime !== "" && form.fromTime >= form.toTime ? { to: "It must be later than the beginning." } : {};
  const [from, to] = [form.fromEntry.trim(), form.toEntry.trim()];
  const [fromWrong, toWrong] = [entryIdError(from), entryIdError(to)];
  if (fromWrong || toWrong) return { from: fromWrong, to: toWrong };
  return from !== "" && to !== "" && isBefore(to, from) ? { to: "It must not lie before the first entry." } : {};
}

/** As the API takes it: two whole numbers of at most 19 digits; nothing is wrong with an empty field. */
export const entryIdError = (text: string): string | undefined =>
  text === "" || /^\d{1,19}-\d{1,19}$/.test(text) ? undefined : "An entry id is <milliseconds>-<number>, such as 1795231172902-17.";

function isBefore(one: string, other: string): boolean {
  const [tick, seq] = one.split("-").map(BigInt) as [bigint, bigint];
  const [otherTick, otherSeq] = other.split("-").map(BigInt) as [bigint, bigint];
  return tick < otherTick || (tick === otherTick && seq < otherSeq);
}
