import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { importChangesQuery } from "../../api/imports";
import type { Import, ImportChange } from "../../api/types";
import { count, plural, sentence } from "../../lib/format";
import { useMay } from "../../lib/permissions";
import { Card } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";

/** Which values of people who were there already are replaced, with examples: a wrong column shows here before it does harm. */
export function Changes({ item }: { item: Import }) {
  const mayReveal = useMay("contacts:reveal");
  const changes = useQuery({ ...importChangesQuery(item.id), enabled: mayReveal === true && item.status !== "running" });
  if (!mayReveal || item.status === "running" || changes.data?.items.length === 0) return null;
  return (
    <Card title={item.dry_run ? "Values that would be replaced" : "Replaced values"}>
      <p className="pb-3 text-sm text-muted">
        {item.dry_run ? "These people are in your contacts already. Importing gives them the values on the right." : "These people were in your contacts before. They have the values on the right now."}
      </p>
      <QueryState query={changes} skeleton={<Skeleton rows={3} />}>
        <div className="grid gap-5">{changes.data?.items.map((change) => <Field key={change.field} change={change} />)}</div>
      </QueryState>
    </Card>
  );
}

function Field({ change }: { change: ImportChange }) {
  return (
    <section aria-label={sentence(change.field)}>
      <h3 className="font-semibold">
        {sentence(change.field)} <span className="text-sm font-normal text-muted">{`changes for ${plural(change.changed, "person", "people")}`}</span>
      </h3>
      <ul className="mt-1.5 grid gap-1 text-sm">
        {change.examples.map((example) => (
          <li key={example.contact_id} className="grid gap-x-4 sm:grid-cols-[10rem_minmax(0,1fr)]">
            <Link to="/contacts/$contactId" params={{ contactId: example.contact_id }} className="min-h-6 tabular text-muted underline-offset-4 hover:underline">
              {example.phone}
            </Link>
            <span className="wrap-anywhere">
              <bdi className="text-muted">{example.before}</bdi> <span aria-label="becomes">→</span> <bdi className="font-medium">{example.after}</bdi>
            </span>
          </li>
        ))}
      </ul>
      {change.changed > change.examples.length && change.examples.length > 0 && <p className="mt-1 text-xs text-muted">{`and ${count(change.changed - change.examples.length)} more`}</p>}
    </section>
  );
}
