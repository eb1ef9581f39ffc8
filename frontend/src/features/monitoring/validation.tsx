import { useQuery } from "@tanstack/react-query";
import { validationQuery } from "../../api/monitoring";
import type { ValidationFigures } from "../../api/types";
import { count, percent, plural, sentence } from "../../lib/format";
import { Card } from "../../ui/layout";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";
import { SimpleTable } from "../../ui/table";

/** How often events keep the rules. */
export function ValidationCard() {
  const validation = useQuery(validationQuery());
  return (
    <Card title="Validation" padded={false} aside={validation.data && <Freshness at={validation.dataUpdatedAt} />}>
      <QueryState query={validation} skeleton={<Skeleton rows={4} className="px-5 pb-5" />}>{validation.data && <Rules figures={validation.data} />}</QueryState>
    </Card>
  );
}

function Rules({ figures }: { figures: ValidationFigures }) {
  const rules = Object.entries(figures.by_rule).toSorted(([, a], [, b]) => b.failed - a.failed);
  if (rules.length === 0) return <EmptyState title="No events validated yet">Each event of this process is validated before it is published, unless a flag turns validation off.</EmptyState>;
  return (
    <>
      <p className="px-5 pb-3 text-sm text-muted tabular">
        {percent(figures.pass_rate)} of {plural(figures.checked, "event")} passed every rule of severity error; {figures.strict ? "strict: those that break one are blocked." : "not strict: those that break one are published all the same."}
      </p>
      <SimpleTable
        label="Pass rate of each rule"
        head={[{ label: "Rule" }, { label: "Checked", align: "end" }, { label: "Failed", align: "end" }, { label: "Pass rate", align: "end", narrow: true }]}
        rows={rules.map(([name, tally]) => ({
          key: name,
          cells: [
            sentence(name),
            count(tally.checked),
            <span key="failed" className={tally.failed > 0 ? "text-warn" : "text-muted"}>{count(tally.failed)}</span>,
            percent(tally.pass_rate),
          ],
        }))}
      />
    </>
  );
}
