import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { RotateCw } from "lucide-react";
import { letterQuery } from "../../api/backbone";
import type { DeadLetterDetail } from "../../api/types";
import { dateTime } from "../../lib/format";
import { Button } from "../../ui/button";
import { Drawer } from "../../ui/dialog";
import { CodeBox, JsonView } from "../../ui/json-view";
import { Definition } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { LetterChip, useRedriveOne } from "./letter-actions";
import { attemptsText, shortError } from "./words";

interface Props {
  id: string;
  onClose: () => void;
  onDiscard: (letter: DeadLetterDetail) => void;
}

/** Everything that is known of one dead letter: why it died, what it holds, and what was done about it. */
export function LetterDrawer({ id, onClose, onDiscard }: Props) {
  const letter = useQuery(letterQuery(id));
  return (
    <Drawer title={letter.data?.type ?? "Dead letter"} open onClose={onClose}>
      <div className="p-5">
        <QueryState query={letter} skeleton={<Skeleton rows={6} height={64} />}>
          {letter.data && <Letter letter={letter.data} onDiscard={() => onDiscard(letter.data)} />}
        </QueryState>
      </div>
    </Drawer>
  );
}

function Letter({ letter, onDiscard }: { letter: DeadLetterDetail; onDiscard: () => void }) {
  const one = useRedriveOne();
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-5">
      <div className="flex flex-wrap items-center gap-2">
        <LetterChip status={letter.status} />
        {letter.status === "open" && (
          <>
            <Button needs="streams:operate" size="sm" variant="primary" icon={<RotateCw aria-hidden />} isPending={one.isPending} onPress={() => one.mutate(letter)}>
              Redrive
            </Button>
            <Button needs="streams:operate" size="sm" variant="danger" onPress={onDiscard}>
              Discard…
            </Button>
          </>
        )}
        <Link to="/streams/events/$eventId" params={{ eventId: letter.event_id }} className="ml-auto inline-flex min-h-6 items-center text-sm text-accent underline-offset-4 hover:underline">
          Event and trace
        </Link>
      </div>
      <p className="rounded-md border border-bad/50 bg-bad-soft px-4 py-3 wrap-anywhere">
        <span className="font-semibold">{letter.error_class}</span>
        <span className="mt-0.5 block">{shortError(letter)}</span>
      </p>
      <Definition
        items={[
          ["Group", letter.group],
          ["Attempts", attemptsText(letter)],
          ["First failed", dateTime(letter.first_failed_at)],
          ["Died", `${dateTime(letter.died_at)}, with release ${letter.release}`],
          ["Key", <span key="key" className="font-mono text-xs">{letter.key}</span>],
          ["Place in the stream", <span key="place" className="font-mono text-xs">{`${letter.stream} ${letter.entry_id}`}</span>],
          ...(letter.resolved_at ? ([["Resolved", `${dateTime(letter.resolved_at)}${letter.resolved_by ? ` by ${letter.resolved_by}` : ""}`]] as [string, string][]) : []),
          ...(letter.reason ? ([["Reason", letter.reason]] as [string, string][]) : []),
        ]}
      />
      <Section title="Data">
        <JsonView label="Data of the event" value={letter.data} />
      </Section>
      <Section title="Where it failed">
        {letter.stack ? <CodeBox label="Stack of the last failure" text={letter.stack} /> : <p className="text-muted">No stack trace: the consumer process crashed.</p>}
      </Section>
      <Section title="History">
        <ol className="grid gap-2 text-sm">
          {letter.history.map((entry) => (
            <li key={`${entry.at} ${entry.kind}`} className="grid gap-0.5 border-l-2 border-line-strong/60 pl-3">
              <span className="flex flex-wrap justify-between gap-x-4">
                <span className="font-medium">
                  {kinds[entry.kind] ?? entry.kind}
                  {entry.by && <span className="font-normal text-muted"> by {entry.by}</span>}
                </span>
                <time dateTime={entry.at} className="text-xs text-muted tabular">
                  {dateTime(entry.at)}
                </time>
              </span>
              {entry.error && <span className="text-xs wrap-anywhere text-muted">{entry.error}</span>}
            </li>
          ))}
        </ol>
      </Section>
    </div>
  );
}

const kinds: Record<string, string> = { failed: "Failed", crashed: "Crashed its consumer", taken_over: "Taken over", retried: "Tried again", redriven: "Redriven", discarded: "Discarded" };

const Section = ({ title, children }: { title: string; children: React.ReactNode }) => (
  <section>
    <h3 className="mb-2 font-semibold">{title}</h3>
    {children}
  </section>
);
