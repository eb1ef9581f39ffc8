import type { Preflight } from "../../api/types";
import { count, dateTime, duration } from "../../lib/format";

/** When the last message leaves, and what makes it so late. */
export function finishHint(data: Pick<Preflight, "eligible" | "expected_finish" | "expected_seconds" | "sending_seconds" | "quiet_now">): string {
  if (data.eligible === 0) return "nobody to send to";
  const waits = data.expected_seconds > data.sending_seconds + 1 ? `; sending alone takes ${duration(data.sending_seconds)}, the rest is quiet hours` : "";
  const quiet = data.quiet_now > 0 ? `; ${count(data.quiet_now)} wait for theirs to end` : "";
  return `by ${dateTime(data.expected_finish)}${waits}${quiet}`;
}
