import type { Dates, ImportPreview, ImportStart, Target } from "../../api/types";
import { date } from "../../lib/format";
import { read, write } from "../../lib/storage";

/** What a person chose for one file: a target per column, by position, and how to read the rows. */
export interface Choices {
  keys: string[];
  /** How each column's dates are read; null leaves the values as they stand. */
  dates: (Dates | null)[];
  region: string;
  source: string;
  consent: NonNullable<ImportStart["default_consent"]>;
  mode: NonNullable<ImportStart["mode"]>;
}

const FILES_KEPT = 20;

/** What the preview suggests, before a person has chosen anything. */
export const suggestedChoices = (columns: ImportPreview["columns"]): Choices => ({
  keys: columns.map((column) => targetKey(column.suggested)),
  dates: columns.map((column) => column.dates?.dates ?? null),
  region: "",
  source: "",
  consent: "unknown",
  mode: "merge",
});

/** The choices made for this file in this browser, so that a dry run need not be filled in twice. */
export const choicesFor = (id: string): Choices | null => read<[string, Choices][]>("import-choices", []).find(([kept]) => kept === id)?.[1] ?? null;

/** The orders that a column of dates can be read in; the year stands first in any of them where it does. */
export const datesOptions: { id: Dates | "text"; label: string }[] = [
  { id: "day_first", label: "Dates, day before month" },
  { id: "month_first", label: "Dates, month before day" },
  { id: "iso", label: "Dates, year first only" },
  { id: "text", label: "Text, unchanged" },
];

/** What is done with a column's dates, and whether the file says so or it is assumed. */
export function datesNote(found: NonNullable<ImportPreview["columns"][number]["dates"]>, chosen: Dates | null): { text: string; assumed: boolean } {
  const { example, reads_as: readsAs } = found;
  if (chosen === null) return { text: "Left unchanged: date rules match only values like 2026-03-31.", assumed: false };
  if (chosen !== found.dates) return { text: "Read as chosen. Values that are not dates stay unchanged and are counted.", assumed: false };
  if (example === null || readsAs === null) return { text: "Dates with the year first.", assumed: false };
  if (found.assumed) return { text: `Read with assumptions: ${example} as ${date(readsAs)}. The values looked at do not decide which number is the month.`, assumed: true };
  return { text: `${example} is ${date(readsAs)}, which settles the others.`, assumed: false };
}

export function keepChoices(id: string, choices: Choices): void {
  const others = read<[string, Choices][]>("import-choices", []).filter(([kept]) => kept !== id);
  write("import-choices", [[id, choices], ...others].slice(0, FILES_KEPT));
}

export const startWith = (columns: ImportPreview["columns"], choices: Choices, dryRun: boolean): ImportStart => ({
  mapping: columns.map((column, index) => ({ column: column.name, target: targetFrom(choices.keys[index] ?? "ignore", choices.dates?.[index] ?? null) })),
  default_region: choices.region || null,
  consent_source: choices.source.trim(),
  default_consent: choices.consent,
  mode: choices.mode,
  dry_run: dryRun,
});

/** A target as one word for a select: "phone", "ignore", or "attribute:city". */
export const targetKey = (target: Target): string => (typeof target === "string" ? target : `attribute:${target.attribute}`);

export function targetFrom(key: string, dates: Dates | null = null): Target {
  return key.startsWith("attribute:") ? { attribute: key.slice("attribute:".length), dates } : (key as Target);
}

/** "First Name" as an attribute name that a template can hold: "first_name". */
export function attributeName(column: string): string {
  const name = column.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "_").replaceAll(/^_+|_+$/g, "");
  return name === "" ? "column" : name;
}

/** Why this mapping cannot start, or null. */
export function mappingProblem(keys: string[]): string | null {
  const phones = keys.filter((key) => key === "phone").length;
  if (phones === 0) return "Choose which column holds the phone number.";
  const used = keys.filter((key) => !["ignore", "phone", "consent", "opt_out"].includes(key));
  const twice = used.find((key, index) => used.indexOf(key) !== index);
  if (twice) return `Two columns go to “${twice.replace("attribute:", "")}”; each may be filled by one column only.`;
  return null;
}
