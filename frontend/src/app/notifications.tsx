import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { BellOff } from "lucide-react";
import { useEffect, useState, type ReactNode } from "react";
import { Button as AriaButton } from "react-aria-components/Button";
import { acknowledgeAlert, openAlertsQuery, seeAlerts } from "../api/alerts";
import type { Alert } from "../api/types";
import { ago, plural } from "../lib/format";
import { useNow } from "../lib/hooks";
import { SeverityChip } from "../ui/alert-chips";
import { Button } from "../ui/button";
import { PopoverDialog } from "../ui/popover";
import { ErrorState, Skeleton } from "../ui/states";
import { toast } from "../ui/toast";

const SHOWN = 8;

/** The notification centre: what fires now, the newest first. Opening it is having looked. */
export default function Notifications({ label, look, face }: { label: string; look: string; face: ReactNode }) {
  const [open, setOpen] = useState(true);
  const cache = useQueryClient();
  useEffect(() => {
    if (open) void seeAlerts().then(() => cache.invalidateQueries({ queryKey: ["alerts", "summary"] }), toast.failed);
  }, [open, cache]);
  return (
    <PopoverDialog
      label="Alerts"
      open={open}
      onOpenChange={setOpen}
      trigger={
        <AriaButton aria-label={label} className={look}>
          {face}
        </AriaButton>
      }
    >
      <div className="flex items-center justify-between gap-4 border-b border-line px-4 py-3">
        <h2 className="text-md font-semibold">Alerts</h2>
        <Link to="/alerts" className="inline-flex min-h-6 items-center text-sm text-accent underline-offset-4 hover:underline" onClick={() => setOpen(false)}>
          All alerts and system status
        </Link>
      </div>
      <Firing />
    </PopoverDialog>
  );
}

function Firing() {
  const alerts = useQuery(openAlertsQuery());
  if (alerts.data === undefined) return alerts.error ? <ErrorState compact error={alerts.error} onRetry={() => void alerts.refetch()} /> : <Skeleton rows={3} height={56} className="p-4" />;
  const firing = alerts.data.items.filter((alert) => alert.state === "firing");
  if (firing.length === 0)
    return (
      <div className="flex flex-col items-center gap-2 px-6 py-10 text-center text-muted">
        <BellOff aria-hidden className="size-6" />
        <p className="text-md font-medium text-text">No active alerts</p>
        <p>New alerts appear here at once.</p>
      </div>
    );
  return (
    <ul aria-label="Firing" className="max-h-[60dvh] divide-y divide-line overflow-y-auto" tabIndex={0}>
      {firing.slice(0, SHOWN).map((alert) => (
        <Item key={alert.id} alert={alert} />
      ))}
      {firing.length > SHOWN && <li className="px-4 py-3 text-sm text-muted">{`and ${plural(firing.length - SHOWN, "other")}`}</li>}
    </ul>
  );
}

function Item({ alert }: { alert: Alert }) {
  const cache = useQueryClient();
  const now = useNow();
  const acknowledge = useMutation({
    mutationFn: () => acknowledgeAlert(alert.id),
    onSuccess: () => void cache.invalidateQueries({ queryKey: ["alerts"] }),
    onError: toast.failed,
  });
  return (
    <li className="grid gap-2 px-4 py-3">
      <p className="flex flex-wrap items-center gap-2 text-xs text-muted">
        <SeverityChip severity={alert.severity} />
        <span className="tabular">{ago(alert.started_at, Math.max(now, Date.parse(alert.started_at)))}</span>
      </p>
      <p className="font-medium wrap-anywhere">{alert.summary}</p>
      <div className="flex flex-wrap gap-2">
        <Button size="sm" needs="alerts:operate" isPending={acknowledge.isPending} onPress={() => acknowledge.mutate()}>
          Acknowledge
        </Button>
        <Link to="/alerts/runbooks/$rule" params={{ rule: alert.rule }} className="inline-flex min-h-9 items-center px-2 text-sm text-accent underline-offset-4 hover:underline pointer-coarse:min-h-11">
          What to do
        </Link>
      </div>
    </li>
  );
}
