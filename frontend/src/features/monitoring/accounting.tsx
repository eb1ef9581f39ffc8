import { useQuery } from "@tanstack/react-query";
import { figuresQuery } from "../../api/monitoring";
import type { MonitoringFigures, Stage } from "../../api/types";
import { count, plural, sentence } from "../../lib/format";
import { useIsPhone } from "../../lib/hooks";
import { Chip } from "../../ui/chip";
import { Card } from "../../ui/layout";
import { Freshness, QueryState, Skeleton } from "../../ui/states";
import { SimpleTable } from "../../ui/table";
import { stageWords } from "./words";

/** Event accounting, stage by stage; the sides of each line are equal, or it says by how much they are not. */
export function AccountingCard() {
  const figures = useQuery(figuresQuery());
  return (
    <Card title="Event accounting" padded={false} aside={figures.data && <Freshness at={figures.dataUpdatedAt} />}>
      <QueryState query={figures} skeleton={<Skeleton rows={5} className="px-5 pb-5" />}>{figures.data && <Stages figures={figures.data} />}</QueryState>
    </Card>
  );
}

function Stages({ figures }: { figures: MonitoringFigures }) {
  const phone = useIsPhone();
  const stages = Object.entries(figures.accounting);
  const inUse = Object.keys(figures.adapter_metrics);
  return (
    <>
      <p className="px-5 pb-3 text-sm text-muted tabular">
        Accepted = delivered + conflated + dropped + dead-lettered + pending, in this API process since it began (epoch {figures.epoch}, {plural(figures.connected_clients, "browser")} connected, channel in use: {inUse.join(" and ") || "none"}).
      </p>
      {phone ? (
        <ul className="divide-y divide-line border-t border-line bg-solid">
          {stages.map(([name, stage]) => (
            <li key={name} className="grid gap-2 px-5 py-3">
              <div className="flex items-start justify-between gap-3">
                <StageName name={name} />
                <Balance stage={stage} />
              </div>
              <dl className="grid grid-cols-2 gap-x-4 gap-y-1 text-sm">
                {outcomes(stage).map(([label, value]) => (
                  <div key={label} className="flex justify-between gap-2">
                    <dt className="text-muted">{label}</dt>
                    <dd className="tabular">{count(value)}</dd>
                  </div>
                ))}
              </dl>
              <Dropped stage={stage} />
            </li>
          ))}
        </ul>
      ) : (
        <SimpleTable
          label="Event accounting"
          head={[{ label: "Stage" }, ...columns.map((label) => ({ label, align: "end" as const, narrow: true })), { label: "Balance", narrow: true }]}
          rows={stages.map(([name, stage]) => ({
            key: name,
            cells: [
              <StageName key="name" name={name} />,
              ...outcomes(stage).map(([label, value]) => (
                <span key={label} className={value === 0 ? "text-muted" : undefined}>
                  {count(value)}
                  {label === "Dropped" && <Dropped stage={stage} />}
                </span>
              )),
              <Balance key="balance" stage={stage} />,
            ],
          }))}
        />
      )}
    </>
  );
}

const columns = ["Accepted", "Delivered", "Conflated", "Dropped", "Dead-lettered", "Pending"] as const;

function outcomes(stage: Stage): [string, number][] {
  const dropped = Object.values(stage.dropped).reduce((sum, value) => sum + value, 0);
  const values = [stage.accepted, stage.delivered, stage.conflated, dropped, stage.dead_lettered, stage.pending];
  return columns.map((label, index) => [label, values[index]!]);
}

const StageName = ({ name }: { name: string }) => (
  <span className="min-w-0">
    <span className="block font-medium">{name}</span>
    {stageWords[name] && <span className="block text-xs text-muted">{stageWords[name]}</span>}
  </span>
);

const Balance = ({ stage }: { stage: Stage }) =>
  stage.imbalance === 0 ? <Chip tone="ok">Imbalance 0</Chip> : <Chip tone="bad">{`Imbalance ${count(stage.imbalance)}`}</Chip>;

/** By reason and category. */
function Dropped({ stage }: { stage: Stage }) {
  const entries = Object.entries(stage.dropped).filter(([, value]) => value > 0);
  if (entries.length === 0) return null;
  return (
    <span className="block text-xs text-muted">
      {entries.map(([what, value]) => {
        const [reason = "", category = ""] = what.split("/");
        return (
          <span key={what} className="block">
            {sentence(reason)}, {sentence(category).toLowerCase()}: {count(value)}
          </span>
        );
      })}
    </span>
  );
}
