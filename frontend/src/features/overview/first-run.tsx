import { Link } from "@tanstack/react-router";
import { ArrowRight, Check } from "lucide-react";
import type { Dashboard } from "../../api/types";
import { useMay } from "../../lib/permissions";
import { cx } from "../../ui/cx";
import { Card } from "../../ui/layout";

interface Step {
  done: boolean;
  title: string;
  text: string;
  to: string;
}

/** The way to a first campaign; it is gone once one has been launched or scheduled. */
export function FirstRun({ contacts, setup }: { contacts: number; setup: Dashboard["setup"] }) {
  const mayBegin = useMay("campaigns:write");
  if (setup.launched || !mayBegin) return null;
  const steps: Step[] = [
    { done: contacts > 0, title: "Import contacts", text: "A CSV, JSON or JSON Lines file; nothing is imported until you review a dry run.", to: "/imports/new" },
    { done: setup.templates > 0, title: "Write a template", text: "With placeholders, seen on a phone with a real contact’s values.", to: "/templates/new" },
    { done: setup.segments > 0, title: "Build a segment", text: "Rules over attributes, consent and topics, with a live count.", to: "/segments/new" },
    { done: setup.senders > 0, title: "Add a sender", text: "The WhatsApp or SMS number that messages come from, and how fast it may send.", to: "/senders" },
    { done: setup.campaigns > 0, title: "Prepare a campaign", text: "The preflight says who gets it, who does not and why, and when it ends.", to: "/campaigns/new/edit" },
  ];
  const next = steps.findIndex((step) => !step.done);
  return (
    <Card title="Get started" aside={<span className="text-sm text-muted tabular">{steps.filter((step) => step.done).length} of {steps.length} done</span>}>
      <ol className="grid gap-3 md:grid-cols-2 xl:grid-cols-3 2xl:grid-cols-5">
        {steps.map((step, index) => (
          <li key={step.title}>
            <Link
              to={step.to}
              className={cx(
                "flex h-full gap-3 rounded-md border bg-solid p-4 transition-colors hover:border-accent",
                index === next ? "border-accent outline outline-accent" : "border-line-strong/50",
              )}
            >
              <span className={cx("grid size-7 shrink-0 place-items-center rounded-full text-sm font-semibold", step.done ? "bg-ok-soft text-ok" : "bg-accent-soft text-accent")}>
                {step.done ? <Check aria-label="Done" className="size-4" /> : index + 1}
              </span>
              <span className="min-w-0 grow">
                <span className="block font-semibold">{step.title}</span>
                <span className="mt-0.5 block text-sm text-muted">{step.text}</span>
              </span>
              {index === next && <ArrowRight aria-hidden className="mt-0.5 size-4 shrink-0 text-accent" />}
            </Link>
          </li>
        ))}
      </ol>
    </Card>
  );
}
