import type { Channel } from "../../api/types";
import { duration, plural } from "../../lib/format";

/** WhatsApp allows 80 messages a second per sender unless raised; a plain SMS long code one. The sandbox allows 200. */
export const usualRate = (channel: Channel, sandbox: boolean): string => (channel === "whatsapp" ? "80" : sandbox ? "20" : "1");

/** What the rate means for as many people as have opted in. */
export function rateHint(rate: number, optedIn: number | undefined, sandbox: boolean): string {
  const limit = sandbox ? "For a real number, what Twilio allows it: 1 for a plain SMS number." : "What Twilio allows this sender. Sending faster only builds a queue at Twilio.";
  if (!optedIn || !(rate > 0)) return limit;
  return `At this rate ${plural(optedIn, "person takes", "people take")} ${duration(optedIn / rate)}. ${limit}`;
}
