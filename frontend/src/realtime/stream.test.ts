import { beforeEach, describe, expect, it } from "vitest";
import { isFollowed, LiveStream, type LiveNotice, type Source } from "./stream";

/** A source the test drives by hand. */
class FakeSource implements Source {
  readyState = 0;
  closed = false;
  onopen: Source["onopen"] = null;
  onerror: Source["onerror"] = null;
  #listeners = new Map<string, (event: MessageEvent<string>) => void>();

  constructor(readonly url: string) {}

  addEventListener(name: string, listener: (event: MessageEvent<string>) => void): void {
    this.#listeners.set(name, listener);
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.(new Event("open"));
  }
  fail(readyState: number): void {
    this.readyState = readyState;
    this.onerror?.(new Event("error"));
  }
  send(name: string, lastEventId: string, data: unknown = {}): void {
    this.#listeners.get(name)?.({ lastEventId, data: JSON.stringify(data) } as MessageEvent<string>);
  }
}

let opened: FakeSource[];
let notices: LiveNotice[];
let retries: (() => void)[];
let waits: number[];
let silences: (() => void)[];
let stream: LiveStream;

const last = (): FakeSource => opened.at(-1)!;
const update = { topic: "campaign:1", kind: "campaign", id: "1", version: 2, patch: {} };

beforeEach(() => {
  opened = [];
  notices = [];
  retries = [];
  waits = [];
  silences = [];
  stream = new LiveStream({
    open: (url) => {
      const source = new FakeSource(url);
      opened.push(source);
      return source;
    },
    notify: (notice) => notices.push(notice),
    backoff: () => 0,
    watch: (run) => {
      silences.push(run);
      return () => (silences = silences.filter((other) => other !== run));
    },
    later: (run, ms) => {
      waits.push(ms);
      retries.push(run);
      return () => (retries = retries.filter((other) => other !== run));
    },
  });
});

describe("the live stream", () => {
  it("asks for the union of topics once, in one order", () => {
    stream.follow(["dashboard", "campaign:1", "dashboard"]);
    stream.follow(["campaign:1", "dashboard"]);
    expect(opened.map((source) => source.url)).toEqual(["/api/v1/live?topics=campaign%3A1%2Cdashboard"]);
  });

  it("resumes after the last frame it saw when the connection breaks", () => {
    stream.follow(["dashboard"]);
    last().open();
    last().send("update", "epoch:7-1", update);
    last().fail(0);
    expect(stream.status).toBe("reconnecting");
    retries[0]!();
    expect(last().url).toContain("after=epoch%3A7-1");
  });

  it("keeps its position when the topics change", () => {
    stream.follow(["dashboard"]);
    last().open();
    last().send("update", "epoch:7-1", update);
    const first = last();
    stream.follow(["dashboard", "imports"]);
    expect(first.closed).toBe(true);
    expect(last().url).toBe("/api/v1/live?topics=dashboard%2Cimports&after=epoch%3A7-1");
  });

  it("passes a resync on and goes on from the position it names", () => {
    stream.follow(["dashboard"]);
    last().open();
    last().send("update", "old:1-1", update);
    last().send("resync", "new:1-1");
    expect(notices.at(-1)).toEqual({ type: "resync" });
    expect(stream.position).toBe("new:1-1");
  });

  it("reports a refusal as a lost session, and an outage not", () => {
    stream.follow(["dashboard"]);
    last().fail(0);
    expect(notices).not.toContainEqual({ type: "unauthorized" });
    retries.at(-1)!();
    last().fail(2);
    expect(notices).toContainEqual({ type: "unauthorized" });
  });

  it("ignores an error of a source it has already replaced", () => {
    stream.follow(["dashboard"]);
    const first = last();
    first.open();
    stream.follow(["imports"]);
    last().open();
    first.fail(2);
    expect(stream.status).toBe("live");
    expect(opened).toHaveLength(2);
  });

  it("resumes where a heartbeat said it stands, although no update came", () => {
    stream.follow(["dashboard"]);
    last().open();
    last().send("heartbeat", "epoch:9-4");
    last().fail(0);
    retries[0]!();
    expect(last().url).toContain("after=epoch%3A9-4");
  });

  it("gives a connection up on which nothing is heard any more", () => {
    stream.follow(["dashboard"]);
    last().open();
    last().send("heartbeat", "epoch:9-4");
    expect(silences).toHaveLength(1);
    silences[0]!();
    expect(last().closed).toBe(true);
    expect(stream.status).toBe("reconnecting");
    expect(retries).toHaveLength(1);
  });

  it("passes monitoring events on with their place, and resumes behind the last", () => {
    stream.follow(["dashboard", "monitoring"]);
    last().open();
    last().send("subscribed", "epoch:7-1~life:4", { channel: "monitoring", epoch: "life", offset: 4, recovered: false, events: [] });
    last().send("monitoring", "epoch:7-1~life:5", { event_id: "e" });
    expect(notices.at(-1)).toEqual({ type: "monitoring", position: "life:5", event: { event_id: "e" } });
    last().send("skipped", "epoch:7-1~life:8", { from: 6, to: 8 });
    expect(notices.at(-1)).toEqual({ type: "skipped", position: "life:8", from: 6, to: 8 });
    last().fail(0);
    retries[0]!();
    expect(last().url).toContain(`after=${encodeURIComponent("epoch:7-1~life:8")}`);
  });

  it("asks for the latest state when more categories are wanted than it has followed, and resumes when fewer are", () => {
    stream.follow(["monitoring:critical"]);
    last().send("monitoring", "~life:5", {});
    stream.follow(["monitoring"]);
    expect(last().url).toBe("/api/v1/live?topics=monitoring");
    last().send("monitoring", "~life:9", {});
    stream.follow([]);
    stream.follow(["monitoring:debug"]);
    expect(last().url).toContain(`after=${encodeURIComponent("~life:9")}`);
  });

  it("asks for the latest state for a newcomer although the topics stay", () => {
    stream.follow(["dashboard", "monitoring"]);
    last().send("monitoring", "epoch:7-1~life:5", {});
    stream.follow(["monitoring", "dashboard"], true);
    expect(opened).toHaveLength(2);
    expect(last().url).toContain(`after=${encodeURIComponent("epoch:7-1")}`);
    expect(last().url).not.toContain("life");
  });

  it("leaves when the server says that it goes, and comes back when it asked to", () => {
    stream.follow(["monitoring"]);
    last().open();
    last().send("reconnect", "~life:5", { delay_ms: 700 });
    expect(last().closed).toBe(true);
    expect(stream.status).toBe("reconnecting");
    expect(notices).not.toContainEqual({ type: "unauthorized" });
    expect(waits).toEqual([700]);
    retries[0]!();
    expect(last().url).toContain(`after=${encodeURIComponent("~life:5")}`);
  });

  it("closes and is idle when nobody listens", () => {
    stream.follow(["dashboard"]);
    stream.follow([]);
    expect(last().closed).toBe(true);
    expect(stream.status).toBe("idle");
    expect(retries).toEqual([]);
  });
});

describe("isFollowed", () => {
  const imported = { topic: "imports", kind: "import", id: "7", version: 1, patch: {} };

  it("takes the family's imported for a topic that names one of it", () => {
    expect(isFollowed(["import:7"], imported)).toBe(true);
    expect(isFollowed(["imports"], imported)).toBe(true);
  });

  it("leaves other entities and families alone", () => {
    expect(isFollowed(["import:8", "campaign:7", "dashboard"], imported)).toBe(false);
  });
});
