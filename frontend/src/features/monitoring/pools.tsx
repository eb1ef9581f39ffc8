import { useQuery } from "@tanstack/react-query";
import { breakersQuery } from "../../api/monitoring";
import type { Pool } from "../../api/types";
import { count, plural } from "../../lib/format";
import { Chip } from "../../ui/chip";
import { Card } from "../../ui/layout";
import { EmptyState, Freshness, QueryState, Skeleton } from "../../ui/states";

/** The connections that each process keeps to other servers. */
export function PoolsCard() {
  const breakers = useQuery(breakersQuery());
  const pools = breakers.data?.pools.filter((pool) => pool.is_alive) ?? [];
  return (
    <Card title="Connection pools" padded={false} aside={breakers.data && <Freshness at={breakers.dataUpdatedAt} />}>
      <QueryState query={breakers} skeleton={<Skeleton rows={3} height={32} className="px-5 pb-5" />}>
        {pools.length === 0 ? (
          <EmptyState title="No connection pools reported">Processes report their connection pools here.</EmptyState>
        ) : (
          <ul aria-label="Connection pools" className="divide-y divide-line border-t border-line bg-solid">
            {pools.map((pool) => (
              <PoolItem key={`${pool.name} ${pool.host}:${pool.pid}`} pool={pool} />
            ))}
          </ul>
        )}
      </QueryState>
    </Card>
  );
}

function PoolItem({ pool }: { pool: Pool }) {
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 px-5 py-2 text-sm tabular">
      <span className="wrap-anywhere" title={`${pool.host}, process ${pool.pid}`}>
        {pool.name} <span className="text-muted">in {pool.process} {pool.pid}</span>
      </span>
      <span className="flex items-center gap-3">
        {pool.waiting > 0 && <Chip tone="warn">{plural(pool.waiting, "caller")} waiting</Chip>}
        {pool.size === null ? `${count(pool.in_use)} in use` : `${count(pool.in_use)} of ${count(pool.size)} in use`}
      </span>
    </li>
  );
}
