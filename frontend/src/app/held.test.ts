import { describe, expect, it } from "vitest";
import type { HoldOnPart } from "../api/types";
import { heldWords } from "./held";

const hold: HoldOnPart = { kind: "circuit", name: "twilio", process: "", by: "Ana", since: "2026-12-01T10:20:00Z", reason: null, stops_sending: true };

describe("what is held", () => {
  it("says first that no message leaves, then who holds what", () => {
    const { headline, detail } = heldWords(hold);
    expect(headline).toBe("No messages are sent.");
    expect(detail).toMatch(/^Ana holds the circuit twilio open since .*2026.*\.$/);
  });

  it("names the paused group, the kind of process and the reason", () => {
    const paused = heldWords({ ...hold, kind: "group", name: "messaging.count", stops_sending: false });
    expect(paused.headline).toBe("The consumer group messaging.count is paused.");
    expect(paused.detail).toMatch(/^Ana paused it on .*2026/);
    expect(heldWords({ ...hold, process: "serve", reason: "A test", stops_sending: false }).detail).toMatch(/in ese serve since .*: “A test”$/);
  });

  it("names nobody for an order from the command line", () => {
    expect(heldWords({ ...hold, by: null }).detail).toMatch(/^Someone at the command line holds/);
  });
});
