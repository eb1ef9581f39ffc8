import { useMutation, useQueryClient } from "@tanstack/react-query";
import { reviewInbound, type Decision } from "../../api/inbound";
import type { Inbound } from "../../api/types";
import { Button } from "../../ui/button";
import { toast } from "../../ui/toast";

const said: Record<Decision, string> = { opt_out: "Opted out", not_opt_out: "Not an opt-out" };

/** Whether a person may decide about this message: not about a keyword, which is unmistakable, nor START or HELP. */
const canDecide = (message: Inbound): boolean =>
  message.review != null || message.basis === "wording" || message.kind === "text" || message.kind === "media";

/** Two buttons while a possible opt-out waits; afterwards, and for other replies, the way to the other decision. */
export function Review({ message }: { message: Inbound }) {
  const cache = useQueryClient();
  const decide = useMutation({
    mutationFn: (decision: Decision) => reviewInbound(message.id, decision),
    onSuccess: (_, decision) => {
      void cache.invalidateQueries({ queryKey: ["inbound"] });
      void cache.invalidateQueries({ queryKey: ["contacts"] });
      void cache.invalidateQueries({ queryKey: ["dashboard"] });
      const other: Decision = decision === "opt_out" ? "not_opt_out" : "opt_out";
      toast.undo(said[decision], () => void decide.mutate(other));
    },
    onError: toast.failed,
  });
  if (!canDecide(message)) return null;
  const choice = (decision: Decision, label: string, loud = false) => (
    <Button needs="contacts:write" size="sm" variant={loud ? "secondary" : "ghost"} isPending={decide.isPending && decide.variables === decision} onPress={() => decide.mutate(decision)}>
      {label}
    </Button>
  );
  if (message.review === "open") {
    return (
      <span className="flex gap-1.5">
        {choice("opt_out", "Opt out", true)}
        {choice("not_opt_out", "Not an opt-out", true)}
      </span>
    );
  }
  return message.kind === "stop" ? choice("not_opt_out", "Not an opt-out") : choice("opt_out", "Mark as opt-out");
}
