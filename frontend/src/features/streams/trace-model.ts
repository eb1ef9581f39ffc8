import type { TracedEvent } from "../../api/types";

export interface Traced {
  event: TracedEvent;
  led: Traced[];
}

/** The events as trees by cause, in the order given; an event whose cause is not among them begins a tree. */
export function traceTree(events: TracedEvent[]): Traced[] {
  const nodes = new Map(events.map((event) => [event.event_id, { event, led: [] as Traced[] }]));
  const roots: Traced[] = [];
  for (const node of nodes.values()) {
    const cause = node.event.causation_id === node.event.event_id ? undefined : nodes.get(node.event.causation_id ?? "");
    (cause?.led ?? roots).push(node);
  }
  return roots;
}
