import type { CampaignSummary, Preflight } from "../../api/types";
import { ago, count, dateTime, duration } from "../../lib/format";

/** When the last message leaves, and what makes it so late. */
export function finishHint(data: Pick<Preflight, "eligible" | "expected_finish" | "expected_seconds" | "sending_seconds" | "quiet_now">): string {
  if (data.eligible === 0) return "nobody to send to";
  const waits = data.expected_seconds > data.sending_seconds + 1 ? `; sending alone takes ${duration(data.sending_seconds)}, the rest is quiet hours` : "";
  const quiet = data.quiet_now > 0 ? `; ${count(data.quiet_now)} wait for theirs to end` : "";
  return `by ${dateTime(data.expected_finish)}${waits}${quiet}`;
}

/** What is left of a running campaign: who is sent to now, who waits for quiet hours, and when all of it is done. */
export function finishWords({ sending, eta_sending: now, quiet, eta }: Pick<CampaignSummary, "sending" | "eta_sending" | "quiet" | "eta">, at: number): string {
  return [
    sending > 0 && `${count(sending)} now${now ? `, done ${ago(now, at)}` : ""}`,
    quiet && `${count(quiet.people)} wait for quiet hours until ${dateTime(quiet.first_until)}`,
    eta && `all done ${dateTime(eta)}`,
  ]
    .filter(Boolean)
    .join(" · ");
}
