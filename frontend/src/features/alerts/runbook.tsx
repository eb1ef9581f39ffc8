import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { alertRulesQuery, runbookQuery } from "../../api/alerts";
import { duration } from "../../lib/format";
import { Card, Definition, PageHeader } from "../../ui/layout";
import { QueryState, Skeleton } from "../../ui/states";
import { blocks, spans, type Block, type Span } from "./model";

export default function RunbookPage() {
  const { rule: name } = useParams({ from: "/alerts/runbooks/$rule" });
  const page = useQuery(runbookQuery(name));
  const rule = useQuery(alertRulesQuery()).data?.items.find((entry) => entry.name === name);
  return (
    <>
      <PageHeader title={name} back={{ to: "/alerts", label: "Alerts" }} meta={rule && <span>{rule.meaning}</span>} />
      <QueryState query={page} gone={{ what: "Runbook", to: "/alerts", label: "Alerts" }} skeleton={<Skeleton rows={8} />}>
        <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
          <Card>
            <div className="grid max-w-3xl gap-2 pt-3 text-md">{page.data && grouped(blocks(page.data.markdown))}</div>
          </Card>
          {rule && (
            <Card title="The rule">
              <Definition
                items={[
                  ["Fires after", rule.hold_seconds === 0 ? "at once" : duration(rule.hold_seconds)],
                  ["Evaluated by", rule.judged_here ? "the platform, and Prometheus" : "Prometheus only"],
                  ["Inhibited by", rule.silenced_by.length === 0 ? "nothing" : rule.silenced_by.join(", ")],
                  ["Expression", <code key="expression" className="font-mono text-xs wrap-anywhere whitespace-pre-wrap">{rule.expression}</code>],
                ]}
              />
            </Card>
          )}
        </div>
      </QueryState>
    </>
  );
}

/** Items that follow one another become one list. */
function grouped(found: Block[]): ReactNode[] {
  const drawn: ReactNode[] = [];
  for (let at = 0; at < found.length; at += 1) {
    const block = found[at]!;
    if (block.kind === "heading") drawn.push(<h2 key={at} className="mt-3 text-lg font-semibold first:mt-0">{block.text}</h2>);
    else if (block.kind === "text") drawn.push(<p key={at}>{block.text ? spans(block.text).map(drawSpan) : null}</p>);
    else {
      const end = found.findIndex((other, index) => index > at && other.kind !== block.kind);
      const items = found.slice(at, end === -1 ? undefined : end);
      const List = block.kind === "step" ? "ol" : "ul";
      drawn.push(
        <List key={at} className={`grid gap-2 pl-6 ${block.kind === "step" ? "list-decimal" : "list-disc"}`}>
          {items.map((item) => (
            <li key={item.text}>{spans(item.text).map(drawSpan)}</li>
          ))}
        </List>,
      );
      at += items.length - 1;
    }
  }
  return drawn;
}

function drawSpan(span: Span, index: number): ReactNode {
  if (span.kind === "code") return <code key={index} className="rounded bg-sunken px-1.5 py-0.5 font-mono text-sm wrap-anywhere">{span.text}</code>;
  if (span.kind === "text") return <span key={index}>{span.text}</span>;
  const other = /^(\w+)\.md$/.exec(span.to);
  if (!other) return <span key={index}>{`${span.text} (docs/${span.to.replace("../", "")})`}</span>;
  return (
    <Link key={index} to="/alerts/runbooks/$rule" params={{ rule: other[1]! }} className="text-accent underline underline-offset-4">
      {span.text}
    </Link>
  );
}
