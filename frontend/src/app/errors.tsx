import { Link, type ErrorComponentProps } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { buttonClass } from "../ui/button";
import { PageHeader } from "../ui/layout";
import { EmptyState, ErrorState } from "../ui/states";

export function NotFound() {
  return (
    <>
    <PageHeader title="Not found" />
    <div className="card">
      <EmptyState icon={<Compass aria-hidden />} title="There is no page at this address" action={<Link to="/" className={buttonClass("primary")}>Go to Overview</Link>}>
        The link may be old, or what it showed was deleted.
      </EmptyState>
    </div>
    </>
  );
}

export function RouteError({ error, reset }: ErrorComponentProps) {
  return (
    <div className="card">
      <ErrorState error={error} onRetry={reset} />
    </div>
  );
}
