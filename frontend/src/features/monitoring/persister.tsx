import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { DatabaseZap } from "lucide-react";
import { figuresQuery, flushMetrics } from "../../api/monitoring";
import type { FlushResult, MonitoringFigures, PersisterFigures } from "../../api/types";
import { ago, count, dateTime, percent, plural } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { useLacks } from "../../lib/permissions";
import { Button } from "../../ui/button";
import { Chip } from "../../ui/chip";
import { JsonView } from "../../ui/json-view";
import { Card, Definition } from "../../ui/layout";
import { Problems, QueryState, Skeleton } from "../../ui/states";

/** What waits for the database, and the way to write it now. */
export function PersisterCard() {
  const figures = useQuery(figuresQuery());
  const cache = useQueryClient();
  const flush = useMutation({
    mutationFn: flushMetrics,
    onSuccess: (result) => {
      cache.setQueryData(figuresQuery().queryKey, result.metrics as unknown as MonitoringFigures);
    },
  });
  const persister = figures.data?.persister;
  const lacks = useLacks("monitoring:operate");
  const reason = lacks ?? (persister === null ? "This process writes nothing to the database." : null);
  return (
    <Card
      title="Persister"
      aside={
        <Button size="sm" icon={<DatabaseZap aria-hidden />} needs="monitoring:operate" isDisabled={!persister} isPending={flush.isPending} onPress={() => flush.mutate()}>
          Flush now
        </Button>
      }
    >
      <QueryState query={figures} skeleton={<Skeleton rows={4} />}>
        <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
          {reason && <p className="text-sm text-muted">{reason}</p>}
          {persister && <Waiting persister={persister} />}
          <Problems error={flush.error} />
          {flush.data && <Answer result={flush.data} />}
        </div>
      </QueryState>
    </Card>
  );
}

function Waiting({ persister }: { persister: PersisterFigures }) {
  const now = useNow();
  const last = persister.last_flush;
  return (
    <Definition
      items={[
        ["Buffer", `${count(persister.buffered)} of ${count(persister.rows_max)} events (${percent(persister.fill)} of its bounds); spooled from ${percent(persister.spills_at)} on`],
        ["Spool", persister.spooled === 0 ? "empty" : plural(persister.spooled, "event")],
        ["Metrics waiting", persister.metrics_waiting === 0 ? "none" : plural(persister.metrics_waiting, "figure")],
        [
          "Last flush",
          last ? (
            <span key="last" title={dateTime(last.at)}>
              {ago(last.at, Math.max(now, Date.parse(last.at)))}, {plural(last.persisted, "event")} written{last.complete ? "" : "; the database did not store the rest"}
            </span>
          ) : (
            "none yet"
          ),
        ],
      ]}
    />
  );
}

/** The answer as the server gave it: "flushed" is true only after the commit. */
function Answer({ result }: { result: FlushResult }) {
  return (
    <div role="status" aria-label="Result of the flush" className="grid grid-cols-[minmax(0,1fr)] gap-2 rounded-md border border-line bg-solid px-4 py-3 text-sm">
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1 tabular">
        <Chip tone={result.flushed ? "ok" : "bad"}>{result.flushed ? "Flushed" : "Not flushed"}</Chip>
        <span>
          persisted {count(result.persisted)} · pending {count(result.pending)} · sink {result.sink}
        </span>
      </p>
      {!result.flushed && <p className="text-muted">The database did not store everything. The rest waits and is retried.</p>}
      <details>
        <summary className="min-h-6 w-fit cursor-pointer rounded-md text-xs text-muted underline-offset-4 hover:underline pointer-coarse:min-h-11">Full response</summary>
        <div className="mt-2">
          <JsonView label="Full response" value={result} />
        </div>
      </details>
    </div>
  );
}
