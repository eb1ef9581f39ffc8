import type { HoldOnPart } from "../api/types";
import { dateTime } from "../lib/format";

/** What is held, by whom and since when; then the given reason. */
export function heldWords({ kind, name, process, by, since, reason, stops_sending: stops }: HoldOnPart): { headline: string; detail: string } {
  const who = by ?? "Someone at the command line";
  const why = reason ? `: “${reason}”` : ".";
  if (kind === "group") {
    const what = stops ? `paused the consumer group ${name}` : "paused it";
    return { headline: stops ? NOTHING_LEAVES : `The consumer group ${name} is paused.`, detail: `${who} ${what} on ${dateTime(since)}${why}` };
  }
  const where = process ? ` in ese ${process}` : "";
  const what = stops ? `holds the circuit ${name} open` : "holds it open";
  return { headline: stops ? NOTHING_LEAVES : `The circuit ${name} is held open.`, detail: `${who} ${what}${where} since ${dateTime(since)}${why}` };
}

const NOTHING_LEAVES = "No messages are sent.";
