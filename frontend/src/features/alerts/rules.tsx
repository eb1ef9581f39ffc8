import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { BellOff } from "lucide-react";
import { useState } from "react";
import { alertRulesQuery, endRuleSilence } from "../../api/alerts";
import type { AlertRule } from "../../api/types";
import { dateTime } from "../../lib/format";
import { SeverityChip } from "../../ui/alert-chips";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { Card } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";
import { SilenceDialog } from "./dialogs";
import { RunbookLink } from "./row";

/** Every rule, so that one can be silenced for maintenance before it fires; those that are silenced come first. */
export function Rules() {
  const rules = useQuery(alertRulesQuery());
  const [silencing, setSilencing] = useState<AlertRule | null>(null);
  const items = (rules.data?.items ?? []).toSorted((a, b) => Number(b.silence !== null) - Number(a.silence !== null) || a.name.localeCompare(b.name));
  const silenced = items.filter((rule) => rule.silence !== null).length;
  return (
    <Card title="Rules" padded={false} aside={silenced > 0 && <Chip tone="warn">{`${silenced} silenced`}</Chip>}>
      <QueryState query={rules} skeleton={<Skeleton rows={6} height={56} className="p-4" />}>
        <ArrowList aria-label="Rules" className="divide-y divide-line border-t border-line bg-solid">
          {items.map((rule) => (
            <Rule key={rule.name} rule={rule} onSilence={() => setSilencing(rule)} />
          ))}
        </ArrowList>
      </QueryState>
      {silencing && <SilenceDialog of={{ rule: silencing }} onClose={() => setSilencing(null)} />}
    </Card>
  );
}

function Rule({ rule, onSilence }: { rule: AlertRule; onSilence: () => void }) {
  const cache = useQueryClient();
  const unsilence = useMutation({ mutationFn: () => endRuleSilence(rule.name), onSuccess: () => void cache.invalidateQueries({ queryKey: ["alerts"] }), onError: toast.failed });
  return (
    <li className="grid items-center gap-x-6 gap-y-1 px-5 py-2.5 md:grid-cols-[6rem_minmax(0,1fr)_auto]">
      <div>
        <SeverityChip severity={rule.severity} />
      </div>
      <div className="min-w-0">
        <p className="font-medium wrap-anywhere">{rule.name}</p>
        <p className="text-sm text-muted wrap-anywhere">
          {rule.meaning}
          {rule.silence && ` Silenced by ${rule.silence.by ?? "the command line"} until ${dateTime(rule.silence.ends_at)}: “${rule.silence.reason}”.`}
        </p>
      </div>
      <div className="flex flex-wrap items-center gap-2 md:justify-end">
        <RunbookLink rule={rule.name}>Runbook</RunbookLink>
        {rule.judged_here &&
          (rule.silence ? (
            <Button size="sm" needs="alerts:operate" isPending={unsilence.isPending} onPress={() => unsilence.mutate()} aria-label={`End silence of ${rule.name}`}>
              End silence
            </Button>
          ) : (
            <Button size="sm" icon={<BellOff aria-hidden />} needs="alerts:operate" onPress={onSilence} aria-label={`Silence ${rule.name}`}>
              Silence
            </Button>
          ))}
      </div>
    </li>
  );
}
