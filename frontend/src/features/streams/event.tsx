import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { eventQuery, traceQuery } from "../../api/backbone";
import type { EventInfo } from "../../api/types";
import { dateTime, plural, time } from "../../lib/format";
import { Chip, type Tone } from "../../ui/chip";
import { cx } from "../../ui/cx";
import { JsonView } from "../../ui/json-view";
import { Card, Definition, PageHeader } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { traceTree, type Traced } from "./trace-model";

const groupTones: Record<string, Tone> = { applied: "ok", parked: "warn", dead: "bad", waiting: "info" };
const groupWords: Record<string, string> = { applied: "applied", parked: "parked", dead: "dead letter", waiting: "waiting" };

export default function EventPage() {
  const { eventId } = useParams({ from: "/streams/events/$eventId" });
  const event = useQuery(eventQuery(eventId));
  return (
    <>
      <PageHeader title={event.data?.type ?? "Event"} back={{ to: "/streams/tail", label: "Live tail" }} meta={event.data && <span>{`${event.data.stream}, ${dateTime(event.data.time)}`}</span>} />
      <QueryState query={event} skeleton={<Skeleton rows={4} height={110} />}>
        {event.data && (
          <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,1.2fr)]">
            <div className="grid gap-4">
              <Envelope event={event.data} />
              <Groups event={event.data} />
            </div>
            <div className="grid gap-4">
              <Card title="Data">
                <JsonView label="Data of the event" value={event.data.data} />
              </Card>
              <Trace eventId={eventId} />
            </div>
          </div>
        )}
      </QueryState>
    </>
  );
}

const Code = ({ children }: { children: string }) => <span className="font-mono text-xs wrap-anywhere">{children}</span>;

function Envelope({ event }: { event: EventInfo }) {
  return (
    <Card title="Envelope">
      <Definition
        items={[
          ["Id", <Code key="id">{event.event_id}</Code>],
          ["Stream", <Link key="stream" to="/streams/tail" search={{ stream: event.stream }} className="underline-offset-4 hover:underline">{event.stream}</Link>],
          ["Place in the stream", event.entry_id ? <Code key="entry">{event.entry_id}</Code> : "not published yet"],
          ["Key", <Link key="key" to="/streams/tail" search={{ key: event.key }} className="font-mono text-xs wrap-anywhere underline-offset-4 hover:underline">{event.key}</Link>],
          [
            "Caused by",
            event.causation_id ? (
              <Link key="cause" to="/streams/events/$eventId" params={{ eventId: event.causation_id }} className="font-mono text-xs wrap-anywhere text-accent underline-offset-4 hover:underline">
                {event.causation_id}
              </Link>
            ) : (
              "nothing before it: it begins the chain"
            ),
          ],
          ["Correlation", event.correlation_id ? <Code key="correlation">{event.correlation_id}</Code> : "–"],
          ["Trace", event.traceparent ? <Code key="trace">{event.traceparent}</Code> : "–"],
        ]}
      />
    </Card>
  );
}

function Groups({ event }: { event: EventInfo }) {
  return (
    <Card title="Consumer groups">
      {event.groups.length === 0 ? (
        <p className="text-muted">{event.listeners === 0 ? "No group subscribes to it. It is stored for tracing, or for live screens." : "No group processes it: those that subscribe to it started later."}</p>
      ) : (
        <ul className="divide-y divide-line">
          {event.groups.map((group) => (
            <li key={group.group} className="flex flex-wrap items-center justify-between gap-3 py-2 first:pt-0">
              <span className="min-w-0 wrap-anywhere">{group.group}</span>
              <Chip tone={groupTones[group.state] ?? "neutral"}>{groupWords[group.state] ?? group.state}</Chip>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Trace({ eventId }: { eventId: string }) {
  const trace = useQuery(traceQuery(eventId));
  const items = trace.data?.items ?? [];
  return (
    <Card title="Related events" aside={trace.data && <span className="text-sm text-muted">{plural(items.length, "event")}</span>}>
      <QueryState query={trace} skeleton={<Skeleton rows={4} />}>
        <ol className="grid gap-1" aria-label="Events by cause">
          {traceTree(items).map((node) => (
            <Branch key={node.event.event_id} node={node} current={eventId} />
          ))}
        </ol>
      </QueryState>
    </Card>
  );
}

function Branch({ node, current }: { node: Traced; current: string }) {
  const { event, led } = node;
  const here = event.event_id === current;
  return (
    <li>
      <div className={cx("rounded-md px-2.5 py-1.5", here && "bg-accent-soft outline outline-accent/50")}>
        <p className="flex flex-wrap items-baseline justify-between gap-x-3">
          {here ? (
            <span className="font-semibold" aria-current="true">
              {event.type}
            </span>
          ) : (
            <Link to="/streams/events/$eventId" params={{ eventId: event.event_id }} className="inline-flex min-h-6 items-center font-medium underline-offset-4 hover:underline">
              {event.type}
            </Link>
          )}
          <time dateTime={event.time} className="text-xs text-muted tabular">
            {time(event.time)}
          </time>
        </p>
        <p className="text-xs wrap-anywhere text-muted">{event.stream}</p>
        {event.groups.length === 0 && event.listeners === 0 && <p className="text-xs text-muted">no group reacts to it</p>}
        {event.groups.length > 0 && (
          <p className="mt-1 flex flex-wrap gap-x-3 gap-y-0.5 text-xs">
            {event.groups.map((group) => (
              <GroupMark key={group.group} group={group} />
            ))}
          </p>
        )}
      </div>
      {led.length > 0 && (
        <ol className="ml-3 grid gap-1 border-l border-line-strong/50 pt-1 pl-3">
          {led.map((next) => (
            <Branch key={next.event.event_id} node={next} current={current} />
          ))}
        </ol>
      )}
    </li>
  );
}

const marks: Record<string, string> = { applied: "text-ok", parked: "text-warn", dead: "text-bad", waiting: "text-info" };

const GroupMark = ({ group }: { group: { group: string; state: string } }) => (
  <span className={marks[group.state] ?? "text-muted"}>
    {group.state === "applied" ? "✓" : group.state === "waiting" ? "…" : "!"} {group.group}
    {group.state !== "applied" && ` (${groupWords[group.state] ?? group.state})`}
  </span>
);
