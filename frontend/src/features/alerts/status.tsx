import { useQuery } from "@tanstack/react-query";
import { healthQuery } from "../../api/alerts";
import type { Health } from "../../api/types";
import { useLiveState } from "../../realtime/client";
import { ago, count, duration, plural } from "../../lib/format";
import { useNow } from "../../lib/hooks";
import { Card } from "../../ui/layout";
import { HealthChip, healthWord } from "../../ui/alert-chips";
import { Chip } from "../../ui/chip";
import { QueryState, Skeleton } from "../../ui/states";
import { components, type Component } from "./model";

/** /health as people read it: what each part of the platform measures, and how sure that is. */
export function SystemStatus() {
  const health = useQuery(healthQuery());
  return (
    <Card
      title="System status"
      padded={false}
      aside={
        health.data && (
          <>
            <Age health={health.data} at={health.dataUpdatedAt} />
            <HealthChip status={health.data.status} />
          </>
        )
      }
    >
      <QueryState query={health} skeleton={<Skeleton rows={8} height={40} className="p-4" />}>
        {health.data && (
          <ul aria-label="Components" className="grid border-t border-line bg-solid md:grid-cols-2 2xl:grid-cols-3">
            {components(health.data).map((component) => (
              <Row key={component.key} component={component} />
            ))}
          </ul>
        )}
      </QueryState>
    </Card>
  );
}

/** Live, catching up, or stale for so long: what may be believed of the figures. */
function Age({ health, at }: { health: Health; at: number }) {
  const live = useLiveState();
  const now = useNow();
  const age = health.ageSeconds + Math.max(0, now - at) / 1000;
  if (age > 3 * health.everySeconds) return <Chip tone="bad">{`Stale for ${duration(age)}`}</Chip>;
  if (live.status !== "live") return <Chip tone="warn">Catching up</Chip>;
  return (
    <Chip tone="ok" live>
      Live
    </Chip>
  );
}

function Row({ component }: { component: Component }) {
  const { check } = component;
  const now = Math.max(useNow(), Date.parse(check.since));
  const doubt = check.readingsAgainst > 0 ? `${plural(check.readingsAgainst, "reading")} ${check.readingsAgainst === 1 ? "says" : "say"} “${healthWord(check.lastReading).toLowerCase()}”` : null;
  return (
    <li className="grid gap-0.5 border-b border-line px-5 py-2.5 md:odd:border-r 2xl:border-r">
      <p className="flex items-center justify-between gap-3">
        <span className="min-w-0 font-medium wrap-anywhere">{component.name}</span>
        <HealthChip status={check.status} />
      </p>
      <p className="text-sm wrap-anywhere text-muted tabular">
        {[measured(component), check.output, doubt, `for ${ago(check.since, now).replace(" ago", "").replace("just now", "a moment")}`].filter(Boolean).join(" · ")}
      </p>
    </li>
  );
}

function measured({ check, measure }: Component): string | null {
  if (check.observedValue === null || check.observedValue === undefined) return null;
  if (check.observedValue === 0 && measure === "oldest waits") return "nothing waits";
  const unit = check.observedUnit === "processes" ? "" : (check.observedUnit ?? "");
  const value = check.observedUnit === "s" ? duration(check.observedValue) : `${count(check.observedValue)} ${unit}`.trim();
  return `${measure} ${value}`;
}
