import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { silenceAlert, silenceRule } from "../../api/alerts";
import type { Alert, AlertRule } from "../../api/types";
import { asProblem } from "../../api/problem";
import { dateTime } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { Button } from "../../ui/button";
import { Segmented } from "../../ui/choice";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Problems } from "../../ui/states";
import { toast } from "../../ui/toast";

const spans = [
  { id: "1", label: "1 hour" },
  { id: "4", label: "4 hours" },
  { id: "24", label: "1 day" },
  { id: "168", label: "1 week" },
];
const HOUR_MS = 3_600_000;

/** Of one alert that fires, or of a rule, whether it fires or not. */
export function SilenceDialog({ of, onClose }: { of: { alert: Alert } | { rule: AlertRule }; onClose: () => void }) {
  const cache = useQueryClient();
  const [reason, setReason] = useState("");
  const [hours, setHours] = useState("4");
  const now = useNow();
  const silence = useMutation({
    mutationFn: async () => {
      const endsAt = new Date(Date.now() + Number(hours) * HOUR_MS);
      await ("rule" in of ? silenceRule(of.rule.name, reason.trim(), endsAt) : silenceAlert(of.alert.id, reason.trim(), endsAt));
    },
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ["alerts"] });
      toast.done("Silenced");
      onClose();
    },
  });
  return (
    <Dialog
      title={"rule" in of ? `Silence ${of.rule.name}` : "Silence this alert"}
      open
      onClose={onClose}
      footer={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="primary" type="submit" form="silence" isDisabled={reason.trim() === ""} isPending={silence.isPending}>
            Silence
          </Button>
        </>
      }
    >
      <form
        id="silence"
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          silence.mutate();
        }}
      >
        <p className="wrap-anywhere">
          {"rule" in of ? (
            <>{of.rule.meaning} Current and future alerts of this rule send no notifications until </>
          ) : (
            <>
              <span className="font-medium">{of.alert.summary}.</span> This alert sends no notifications, not even if it fires again, until{" "}
            </>
          )}
          {dateTime(now + Number(hours) * HOUR_MS)}. {"rule" in of ? "They are listed as silenced." : "It stays in the list."}
        </p>
        <Segmented label="For how long" value={hours} onChange={setHours} options={spans} />
        <TextField label="Why" required value={reason} onChange={setReason} autoFocus hint="Shown next to the alert and recorded in the audit trail." error={silence.error ? asProblem(silence.error).field("reason") : undefined} />
        <Problems error={silence.error} placed={["reason"]} />
      </form>
    </Dialog>
  );
}
