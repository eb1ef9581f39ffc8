import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { BellOff, BookOpen, Check } from "lucide-react";
import { acknowledgeAlert, endRuleSilence, endSilence } from "../../api/alerts";
import type { Alert } from "../../api/types";
import { ago, dateTime, duration } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { AlertStateChip, SeverityChip } from "../../ui/alert-chips";
import { Button } from "../../ui/button";
import { toast } from "../../ui/toast";

export function RunbookLink({ rule, children = "What to do" }: { rule: string; children?: string }) {
  return (
    <Link to="/alerts/runbooks/$rule" params={{ rule }} className="inline-flex min-h-9 items-center gap-1.5 rounded-md px-2 text-sm text-accent underline-offset-4 hover:underline pointer-coarse:min-h-11 [&_svg]:size-4">
      <BookOpen aria-hidden />
      {children}
    </Link>
  );
}

export function OpenAlert({ alert, onSilence }: { alert: Alert; onSilence: () => void }) {
  const cache = useQueryClient();
  const now = Math.max(useNow(), Date.parse(alert.started_at));
  const done = { onSuccess: () => void cache.invalidateQueries({ queryKey: ["alerts"] }), onError: toast.failed };
  const acknowledge = useMutation({ mutationFn: () => acknowledgeAlert(alert.id), ...done });
  const unsilence = useMutation({ mutationFn: async () => void (await (alert.silence?.of === "rule" ? endRuleSilence(alert.rule) : endSilence(alert.id))), ...done });
  return (
    <li className="grid gap-x-6 gap-y-3 px-5 py-4 lg:grid-cols-[minmax(0,1fr)_auto]">
      <div className="grid min-w-0 gap-1.5">
        <p className="flex flex-wrap items-center gap-2">
          <SeverityChip severity={alert.severity} />
          <AlertStateChip state={alert.state} />
          <span className="text-sm text-muted tabular" title={dateTime(alert.started_at)}>
            began {ago(alert.started_at, now)}
          </span>
        </p>
        <h3 className="text-md font-semibold wrap-anywhere">{alert.summary}</h3>
        <p className="text-sm text-muted">
          {alert.meaning} <Said alert={alert} />
        </p>
      </div>
      <div className="flex flex-wrap items-start gap-2 lg:justify-end">
        <RunbookLink rule={alert.rule} />
        {alert.state === "silenced" ? (
          <Button size="sm" needs="alerts:operate" isPending={unsilence.isPending} onPress={() => unsilence.mutate()}>
            {alert.silence?.of === "rule" ? "End silence of the rule" : "End silence"}
          </Button>
        ) : (
          <Button size="sm" icon={<BellOff aria-hidden />} needs="alerts:operate" onPress={onSilence} aria-label={`Silence: ${alert.summary}`}>
            Silence
          </Button>
        )}
        {alert.acknowledged_at === null && (
          <Button size="sm" variant="primary" icon={<Check aria-hidden />} needs="alerts:operate" isPending={acknowledge.isPending} onPress={() => acknowledge.mutate()} aria-label={`Acknowledge: ${alert.summary}`}>
            Acknowledge
          </Button>
        )}
      </div>
    </li>
  );
}

/** What people, or the alert it follows from, say of it. */
function Said({ alert }: { alert: Alert }) {
  const parts = [
    alert.inhibited_by !== null && `A consequence of ${alert.inhibited_by}.`,
    alert.acknowledged_at !== null && `${alert.acknowledged_by ?? "Someone at the command line"} acknowledged it ${ago(alert.acknowledged_at)}.`,
    alert.silence !== null && `${alert.silence.of === "rule" ? "The rule is silenced" : "Silenced"} by ${alert.silence.by ?? "the command line"} until ${dateTime(alert.silence.ends_at)}: “${alert.silence.reason}”.`,
  ].filter(Boolean);
  return <>{parts.join(" ")}</>;
}

export function PastAlert({ alert }: { alert: Alert }) {
  const lasted = (Date.parse(alert.resolved_at ?? alert.seen_at) - Date.parse(alert.started_at)) / 1000;
  return (
    <li className="grid items-center gap-x-6 gap-y-1 px-5 py-2.5 md:grid-cols-[6rem_minmax(0,1fr)_auto_auto]">
      <div>
        <SeverityChip severity={alert.severity} />
      </div>
      <p className="min-w-0 wrap-anywhere">{alert.summary}</p>
      <p className="text-sm text-muted tabular" title={dateTime(alert.started_at)}>
        {dateTime(alert.started_at)}, for {duration(lasted)}
      </p>
      <div>
        <RunbookLink rule={alert.rule}>Runbook</RunbookLink>
      </div>
    </li>
  );
}
