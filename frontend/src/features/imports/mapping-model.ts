import type { Target } from "../../api/types";

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
