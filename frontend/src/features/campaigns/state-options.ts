import type { Counts, MessageStatus } from "../../api/types";
import { count } from "../../lib/format";
import { countParts } from "../../ui/counts";

/** The states with people in them, and the one that is chosen even when nobody is in it any more. */
export function stateOptions(counts: Counts, chosen?: MessageStatus): { id: MessageStatus | "any"; label: string }[] {
  return [
    { id: "any", label: `Any state (${count(counts.audience)})` },
    ...countParts(counts).filter((part) => part.value > 0 || part.id === chosen).map((part) => ({ id: part.id, label: `${part.label} (${count(part.value)})` })),
  ];
}
