import { useQuery } from "@tanstack/react-query";
import { RotateCw } from "lucide-react";
import { useState } from "react";
import { causesQuery, type LetterFilters } from "../../api/backbone";
import type { DeadLetterCause } from "../../api/types";
import { ago, count, dateTime, plural } from "../../lib/format";
import { ArrowList } from "../../ui/arrow-list";
import { Button } from "../../ui/button";
import { cx } from "../../ui/cx";
import { Card } from "../../ui/layout";
import type { Chosen } from "./letter-actions";
import { shortError } from "./words";

const FIRST = 5;
const COUNTED = 10_000; // so many letters the server looks at

interface Props {
  /** Without `cause`: which one is looked at is said apart. */
  filters: Omit<LetterFilters, "cause">;
  cause: string | undefined;
  choose: (cause: string | undefined) => void;
  ask: (what: "redrive" | "discard", chosen: Chosen) => void;
}

/** What the letters died of, the most frequent first; one of them narrows the list below, and is settled whole. */
export function Causes({ filters, cause, choose, ask }: Props) {
  const found = useQuery(causesQuery(filters)).data;
  const [all, setAll] = useState(false);
  const items = found?.items ?? [];
  if (items.length === 0) return null;
  const shown = all ? items : items.filter((one, index) => index < FIRST || one.id === cause);
  const { status, ...matching } = filters;
  const total = found?.total ?? 0;
  return (
    <Card title="By cause" padded={false} className="mb-4" aside={<span className="text-sm text-muted">{`${plural(items.length, "cause")} of ${total > COUNTED ? `the newest ${count(COUNTED)} of ` : ""}${plural(total, "dead letter")}`}</span>}>
      <ArrowList className="divide-y divide-line" aria-label="Causes">
        {shown.map((one) => (
          <Row
            key={one.id}
            item={one}
            isChosen={one.id === cause}
            onChoose={() => choose(one.id === cause ? undefined : one.id)}
            ask={status === "open" ? (what) => ask(what, { filter: { ...matching, cause: one.id }, words: "every open dead letter of this cause" }) : undefined}
          />
        ))}
      </ArrowList>
      {items.length > shown.length && (
        <Button size="sm" variant="ghost" className="m-3" onPress={() => setAll(true)}>
          {`Show ${count(items.length - shown.length)} more`}
        </Button>
      )}
    </Card>
  );
}

function Row({ item, isChosen, onChoose, ask }: { item: DeadLetterCause; isChosen: boolean; onChoose: () => void; ask?: (what: "redrive" | "discard") => void }) {
  const title = shortError(item);
  return (
    <li className={cx("grid items-center gap-x-5 gap-y-2 px-5 py-3 lg:grid-cols-[3.5rem_minmax(0,1fr)_10rem_auto]", isChosen && "bg-accent-soft")}>
      <span className="text-md font-semibold tabular" title={`${plural(item.count, "dead letter")} of ${plural(item.keys, "key")}`}>
        {count(item.count)}
        <span className="sr-only"> letters</span>
      </span>
      <div className="min-w-0">
        <button type="button" aria-pressed={isChosen} className="block min-h-6 max-w-full text-left font-medium underline-offset-4 wrap-anywhere hover:underline pointer-coarse:min-h-11" onClick={onChoose}>
          {title}
        </button>
        <p className="text-xs wrap-anywhere text-muted">
          {item.error_class}, {item.type} in {item.group}
        </p>
        <p className="font-mono text-xs wrap-anywhere text-muted">{item.handler ?? "no function of this release"}</p>
      </div>
      <p className="text-xs text-muted">
        <span className="block" title={dateTime(item.last_at)}>{`last ${ago(item.last_at)}`}</span>
        <span className="block" title={dateTime(item.first_at)}>{`first ${ago(item.first_at)}`}</span>
      </p>
      {ask && (
        <div className="flex flex-wrap gap-2">
          <Button needs="streams:operate" size="sm" icon={<RotateCw aria-hidden />} onPress={() => ask("redrive")} aria-label={`Redrive all of: ${title}`}>
            Redrive…
          </Button>
          <Button needs="streams:operate" size="sm" variant="danger" onPress={() => ask("discard")} aria-label={`Discard all of: ${title}`}>
            Discard…
          </Button>
        </div>
      )}
    </li>
  );
}
