import { count } from "../../lib/format";

/** The bounds that the API sets to `per_second`. */
const RATE_MIN = 1;
const RATE_MAX = 10_000;

/** Events a second, undefined when nothing was written: then there is no limit. */
export const rateOf = (text: string): number | undefined => (text.trim() === "" ? undefined : Number(text));

export function rateError(text: string): string | undefined {
  const rate = rateOf(text);
  const fits = rate === undefined || (Number.isInteger(rate) && rate >= RATE_MIN && rate <= RATE_MAX);
  return fits ? undefined : `Write a whole number from ${count(RATE_MIN)} to ${count(RATE_MAX)}, or leave it empty.`;
}
