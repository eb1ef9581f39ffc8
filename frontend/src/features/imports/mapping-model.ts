import type { ImportPreview, ImportStart, Target } from "../../api/types";
import { read, write } from "../../lib/storage";

/** What a person chose for one file: a target per column, by position, and how to read the rows. */
export interface Choices {
  keys: string[];
  region: string;
  source: string;
  consent: NonNullable<ImportStart["default_consent"]>;
  mode: NonNullable<ImportStart["mode"]>;
}

const FILES_KEPT = 20;

/** The choices made for this file in this browser, so that a dry run need not be filled in twice. */
export const choicesFor = (id: string): Choices | null => read<[string, Choices][]>("import-choices", []).find(([kept]) => kept === id)?.[1] ?? null;

export function keepChoices(id: string, choices: Choices): void {
  const others = read<[string, Choices][]>("import-choices", []).filter(([kept]) => kept !== id);
  write("import-choices", [[id, choices], ...others].slice(0, FILES_KEPT));
}

export const startWith = (columns: ImportPreview["columns"], choices: Choices, dryRun: boolean): ImportStart => ({
  mapping: columns.map((column, index) => ({ column: column.name, target: targetFrom(choices.keys[index] ?? "ignore") })),
  default_region: choices.region || null,
  consent_source: choices.source.trim(),
  default_consent: choices.consent,
  mode: choices.mode,
  dry_run: dryRun,
});

/** A target as one word for a select: "phone", "ignore", or "attribute:city". */
export const targetKey = (target: Target): string => (typeof target === "string" ? target : `attribute:${target.attribute}`);

export function targetFrom(key: string): Target {
  return key.startsWith("attribute:") ? { attribute: key.slice("attribute:".length) } : (key as Target);
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
  const used = keys.filter((key) => key !== "ignore");
  const twice = used.find((key, index) => used.indexOf(key) !== index);
  if (twice) return `Two columns go to “${twice.replace("attribute:", "")}”; each may be filled by one column only.`;
  return null;
}
