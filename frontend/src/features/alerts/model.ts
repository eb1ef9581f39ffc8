import type { Health, HealthCheck, HealthStatus } from "../../api/types";

export interface Component {
  key: string;
  name: string;
  measure: string;
  check: HealthCheck;
}

const RANK: Record<HealthStatus, number> = { fail: 0, warn: 1, pass: 2 };
const names: Record<string, string> = { postgresql: "PostgreSQL", redis: "Redis", kafka: "Kafka", relay: "Relay", outbox: "Outbox", disk: "Disk", memory: "Memory", flags: "Feature flags", loop: "Event loop", sending: "Sending", "alert webhook": "Alert webhook" };
const measures: Record<string, string> = { responseTime: "answers in", lag: "behind", heartbeat: "heard before", oldest: "oldest waits", oldestUnpublished: "oldest waits", free: "free", available: "free", age: "confirmed before", lease: "", children: "answering", failing: "not delivered", used: "used", keys: "evicted" };
const processes = new Set(["work", "consume"]);

/** Every check with names for people; what fails comes first, then what warns. */
export function components(health: Health): Component[] {
  return Object.entries(health.checks)
    .flatMap(([key, checks]) => checks.map((check) => ({ key, name: nameOf(key), measure: measures[key.slice(key.lastIndexOf(":") + 1)] ?? "", check })))
    .toSorted((a, b) => RANK[a.check.status] - RANK[b.check.status] || a.name.localeCompare(b.name));
}

function nameOf(key: string): string {
  const component = key.slice(0, key.lastIndexOf(":"));
  if (key === "work:children") return "Processes of ese work";
  if (key === "restarts:hung") return "Processes that hung";
  if (key === "connections:used") return "PostgreSQL connections";
  if (key === "evictions:keys") return "Redis evictions";
  if (key === "relay:heartbeat") return "Process ese relay";
  if (processes.has(component)) return `Process ese ${component}`;
  if (component.startsWith("group ")) return `Group ${component.slice(6)}`;
  if (component.startsWith("queue ")) return `Queue ${component.slice(6)}`;
  if (component.startsWith("circuit ")) return `Circuit ${component.slice(8)}`;
  return names[component] ?? component;
}

export type Block = { kind: "heading" | "text" | "item" | "step"; text: string };

/** The little Markdown that runbooks are written in: headings, paragraphs, and lists one level deep. */
export function blocks(markdown: string): Block[] {
  return markdown.split("\n").flatMap((line): Block[] => {
    if (line.startsWith("# ") || line.trim() === "") return [];
    if (line.startsWith("## ")) return [{ kind: "heading", text: line.slice(3) }];
    if (line.startsWith("- ")) return [{ kind: "item", text: line.slice(2) }];
    const step = /^\d+\. (.*)$/.exec(line);
    return [step ? { kind: "step", text: step[1]! } : { kind: "text", text: line }];
  });
}

export type Span = { kind: "text"; text: string } | { kind: "code"; text: string } | { kind: "link"; text: string; to: string };

/** `code` and [links](Other.md) within a line. */
export function spans(text: string): Span[] {
  return text.split(/(`[^`]+`|\[[^\]]+\]\([^)]+\))/).flatMap((part): Span[] => {
    if (part === "") return [];
    if (part.startsWith("`")) return [{ kind: "code", text: part.slice(1, -1) }];
    const link = /^\[([^\]]+)\]\(([^)]+)\)$/.exec(part);
    return [link ? { kind: "link", text: link[1]!, to: link[2]! } : { kind: "text", text: part }];
  });
}
