import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { BellOff } from "lucide-react";
import { useState } from "react";
import { OPEN, openAlertsQuery, pastAlertsQuery } from "../../api/alerts";
import type { Alert } from "../../api/types";
import { plural } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { Card, PageHeader } from "../../ui/layout";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { SilenceDialog } from "./dialogs";
import { OpenAlert, PastAlert } from "./row";
import { Rules } from "./rules";
import { SystemStatus } from "./status";

/** What fires first, then what somebody looks after or silenced, the newest first in each. */
const inOrder = (items: Alert[]): Alert[] => items.toSorted((a, b) => OPEN.indexOf(a.state) - OPEN.indexOf(b.state) || (a.severity === "page" ? 0 : 1) - (b.severity === "page" ? 0 : 1) || b.started_at.localeCompare(a.started_at));

export default function Alerts() {
  const open = useQuery(openAlertsQuery());
  const [silencing, setSilencing] = useState<Alert | null>(null);
  const items = inOrder(open.data?.items ?? []);
  const firing = items.filter((alert) => alert.state === "firing").length;
  return (
    <>
      <PageHeader
        title="Alerts"
        needs="alerts:operate"
        meta={
          open.data && (
            <>
              <span>{firing === 0 ? "No active alerts" : `${plural(firing, "alert")} firing`}</span>
              <Freshness at={open.dataUpdatedAt} />
            </>
          )
        }
      />
      <div className="grid gap-4">
        <Card title="Now" padded={false}>
          <QueryState query={open} skeleton={<Skeleton rows={3} height={88} className="p-4" />}>
            {items.length === 0 ? (
              <EmptyState icon={<BellOff aria-hidden />} title="No active alerts">
                The platform evaluates its alert rules every few seconds. New alerts appear here and in the notification bell.
              </EmptyState>
            ) : (
              <ArrowList aria-label="Open alerts" className="divide-y divide-line border-t border-line bg-solid">
                {items.map((alert) => (
                  <OpenAlert key={alert.id} alert={alert} onSilence={() => setSilencing(alert)} />
                ))}
              </ArrowList>
            )}
          </QueryState>
        </Card>
        <SystemStatus />
        <History />
        <Rules />
      </div>
      {silencing && <SilenceDialog of={{ alert: silencing }} onClose={() => setSilencing(null)} />}
    </>
  );
}

function History() {
  const past = useInfiniteQuery(pastAlertsQuery());
  const items = past.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card title="History" padded={false}>
      <QueryState query={past} skeleton={<Skeleton rows={4} height={56} className="p-4" />}>
        {items.length === 0 ? (
          <p className="px-5 pb-5 text-muted">No alert has ended in the last 90 days.</p>
        ) : (
          <ArrowList aria-label="Past alerts" className="divide-y divide-line border-t border-line bg-solid">
            {items.map((alert) => (
              <PastAlert key={alert.id} alert={alert} />
            ))}
          </ArrowList>
        )}
        {past.hasNextPage && (
          <div className="border-t border-line px-5 py-3">
            <Button size="sm" onPress={() => void past.fetchNextPage()} isPending={past.isFetchingNextPage}>
              Show older
            </Button>
          </div>
        )}
      </QueryState>
    </Card>
  );
}
