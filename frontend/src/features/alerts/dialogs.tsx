import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { silenceAlert } from "../../api/alerts";
import type { Alert } from "../../api/types";
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

export function SilenceDialog({ alert, onClose }: { alert: Alert; onClose: () => void }) {
  const cache = useQueryClient();
  const [reason, setReason] = useState("");
  const [hours, setHours] = useState("4");
  const now = useNow();
  const silence = useMutation({
    mutationFn: () => silenceAlert(alert.id, reason.trim(), new Date(Date.now() + Number(hours) * HOUR_MS)),
    onSuccess: () => {
      void cache.invalidateQueries({ queryKey: ["alerts"] });
      toast.done("Silenced");
      onClose();
    },
  });
  return (
    <Dialog
      title="Silence this alert"
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
          <span className="font-medium">{alert.summary}.</span> Nobody is told of it, nor when it comes back, until {dateTime(now + Number(hours) * HOUR_MS)}. It stays in the list.
        </p>
        <Segmented label="For how long" value={hours} onChange={setHours} options={spans} />
        <TextField label="Why" required value={reason} onChange={setReason} autoFocus hint="Shown beside the alert, and kept in the audit trail." error={silence.error ? asProblem(silence.error).field("reason") : undefined} />
        <Problems error={silence.error} placed={["reason"]} />
      </form>
    </Dialog>
  );
}
