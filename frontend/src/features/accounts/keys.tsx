import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import { keysQuery, revokeKey } from "../../api/access";
import type { ApiKey } from "../../api/types";
import { ago, date } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { Chip, type Tone } from "../../ui/chip";
import { ConfirmDialog } from "../../ui/dialog";
import { EmptyState, QueryState, Skeleton } from "../../ui/states";
import { toast } from "../../ui/toast";

const states: Record<ApiKey["status"], [Tone, string]> = { active: ["ok", "Active"], expired: ["neutral", "Expired"], revoked: ["bad", "Revoked"] };

/** The keys of an account, newest first; without an id the person's own. */
export function KeyList({ accountId }: { accountId?: string }) {
  const keys = useInfiniteQuery(keysQuery(accountId));
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  const cache = useQueryClient();
  const shown = keys.data?.pages.flatMap((page) => page.items) ?? [];
  const revoke = async (key: ApiKey) => {
    await revokeKey(key.id);
    await cache.invalidateQueries({ queryKey: ["api-keys"] });
    toast.done(`API key ${key.name} revoked`);
  };
  return (
    <QueryState query={keys} skeleton={<Skeleton rows={3} height={72} className="p-5" />}>
      {shown.length === 0 ? (
        <EmptyState icon={<KeyRound aria-hidden />} title="No API key yet">
          A program signs in with a key instead of a password.
        </EmptyState>
      ) : (
        <ArrowList className="divide-y divide-line" aria-label="API keys">
          {shown.map((key) => (
            <Row key={key.id} item={key} onRevoke={() => setRevoking(key)} />
          ))}
        </ArrowList>
      )}
      {keys.hasNextPage && (
        <Button className="m-4" onPress={() => void keys.fetchNextPage()} isPending={keys.isFetchingNextPage}>
          Show more
        </Button>
      )}
      {revoking && (
        <ConfirmDialog title={`Revoke “${revoking.name}”?`} open onClose={() => setRevoking(null)} onConfirm={() => revoke(revoking)} action="Revoke key" danger>
          <p>Programs that use this key are refused immediately. This cannot be undone; create a new key instead.</p>
        </ConfirmDialog>
      )}
    </QueryState>
  );
}

function Row({ item, onRevoke }: { item: ApiKey; onRevoke: () => void }) {
  const [tone, word] = states[item.status];
  return (
    <li className="grid gap-x-6 gap-y-2 px-5 py-3.5 sm:grid-cols-[minmax(0,1fr)_auto]">
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <span className="font-medium wrap-anywhere">{item.name}</span>
          <Chip tone={tone}>{word}</Chip>
        </p>
        <p className="text-sm wrap-anywhere text-muted">
          <span className="font-mono">{item.prefix}…</span> · {item.last_used_at ? `used ${ago(item.last_used_at)}` : "never used"} · {item.status === "expired" ? "expired" : "expires"} {date(item.expires_at)}
        </p>
        <p className="mt-1 font-mono text-xs wrap-anywhere text-muted">{item.scopes.join(", ")}</p>
      </div>
      {item.status === "active" && (
        <Button size="sm" variant="danger" className="self-center justify-self-start" aria-label={`Revoke ${item.name}`} onPress={onRevoke}>
          Revoke
        </Button>
      )}
    </li>
  );
}
