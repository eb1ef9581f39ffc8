import { describe, expect, it } from "vitest";
import type { Health, HealthCheck } from "../../api/types";
import { blocks, components, spans } from "./model";

const check = (status: HealthCheck["status"]): HealthCheck => ({ componentType: "component", status, time: "", since: "", lastReading: status, readingsAgainst: 0 });

describe("alerts", () => {
  it("shows what fails first", () => {
    const health = { status: "warn", checks: { "redis:responseTime": [check("pass")], "group a.b:lag": [check("warn")], "work:heartbeat": [check("fail")] } } as unknown as Health;
    expect(components(health).map((one) => [one.name, one.measure])).toEqual([["Process ese work", "heard before"], ["Group a.b", "behind"], ["Redis", "answers in"]]);
  });

  it("reads the Markdown of a runbook", () => {
    expect(blocks("# Name\n\n## What\n\nText.\n\n- one\n\n1. first\n")).toEqual([
      { kind: "heading", text: "What" }, { kind: "text", text: "Text." }, { kind: "item", text: "one" }, { kind: "step", text: "first" },
    ]);
    expect(spans("run `ese up`, see [it](EseDown.md).")).toEqual([
      { kind: "text", text: "run " }, { kind: "code", text: "ese up" }, { kind: "text", text: ", see " }, { kind: "link", text: "it", to: "EseDown.md" }, { kind: "text", text: "." },
    ]);
  });
});
