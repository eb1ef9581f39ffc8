import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { eventQuery } from "../../api/backbone";
import { asProblem } from "../../api/problem";
import { LookupField } from "../../ui/field";
import { eventIdError } from "./words";

/** Leads to the event of an id: at once when a whole one is pasted, and not to one that does not exist. */
export function OpenEvent() {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [id, setId] = useState("");
  const [refused, setRefused] = useState<string>();
  const find = useMutation({
    mutationFn: (eventId: string) => cache.fetchQuery(eventQuery(eventId)),
    onSuccess: (event) => void navigate({ to: "/streams/events/$eventId", params: { eventId: event.event_id } }),
  });
  // Leaving the field asks nothing anew; what failed for another reason is asked again.
  const isAnswered = (wanted: string) => find.variables === wanted && (find.isPending || (find.isError && asProblem(find.error).status === 404));
  const open = (text: string) => {
    const wanted = text.trim();
    const wrong = eventIdError(wanted);
    setRefused(wrong);
    if (wrong === undefined && wanted !== "" && !isAnswered(wanted)) find.mutate(wanted);
  };
  const change = (text: string) => {
    setId(text);
    setRefused(undefined);
    find.reset();
    if (text.trim() !== "" && eventIdError(text.trim()) === undefined) open(text);
  };
  return <LookupField label="Open an event by its id" value={id} onChange={change} onSettle={open} error={refused ?? (find.error ? whyNot(find.error) : undefined)} />;
}

function whyNot(error: unknown): string {
  const problem = asProblem(error);
  if (problem.status === 404) return "No event has this id, or it is older than the log.";
  return problem.detail ?? problem.title;
}
