/** Holds the browser's one live connection; every tab is a port that asks for topics. */
import { hears, isMonitoring, monitoringPart } from "./frames";
import { isFollowed, LiveStream, type LiveNotice } from "./stream";

/** `known`: the `<epoch>:<offset>` up to which the tab has seen monitoring events; empty: nothing yet. */
export type FromTab = { type: "topics"; topics: string[]; known: string } | { type: "ping" } | { type: "bye" } | { type: "retry" };

interface Tab {
  port: MessagePort;
  topics: string[];
  seen: number;
}

const SILENT_TAB_MS = 90_000; // a tab that crashed sends no "bye"; background tabs ping at least once a minute
const tabs = new Set<Tab>();

const stream = new LiveStream({
  open: (url) => new EventSource(url),
  notify: (notice) => {
    if (notice.type === "unauthorized") askOneTab(notice);
    else for (const tab of tabs) if (wants(tab, notice)) tab.port.postMessage(notice);
  },
});

function wants(tab: Tab, notice: LiveNotice): boolean {
  if (notice.type === "update") return isFollowed(tab.topics, notice.update);
  if (notice.type === "monitoring") return hears(tab.topics, notice.event.category);
  if (notice.type === "subscribed" || notice.type === "skipped") return tab.topics.some(isMonitoring);
  return true;
}

/** A tab that begins to look, and did not see what the connection has passed, needs the latest state: everybody is given it. */
function lacksThePast(tab: Tab, topics: string[], known: string): boolean {
  const wanted = topics.filter(isMonitoring);
  return wanted.some((topic) => !hears(tab.topics, topic.slice("monitoring:".length))) && known !== monitoringPart(stream.position);
}

/** The session is renewed by one tab, not by all of them at once. */
function askOneTab(notice: LiveNotice): void {
  const [newest] = [...tabs].toSorted((a, b) => b.seen - a.seen);
  newest?.port.postMessage(notice);
}

function refollow(anew = false): void {
  stream.follow([...tabs].flatMap((tab) => tab.topics), anew);
}

function drop(tab: Tab): void {
  tabs.delete(tab);
  tab.topics = [];
  refollow();
}

function hear(tab: Tab, message: FromTab): void {
  tab.seen = Date.now();
  if (message.type === "bye") drop(tab);
  else if (message.type === "retry") stream.retryNow();
  else if (message.type === "topics") {
    const anew = lacksThePast(tab, message.topics, message.known);
    tab.topics = message.topics;
    tabs.add(tab);
    refollow(anew);
  }
}

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = (event) => {
  const port = event.ports[0];
  if (!port) return;
  const tab: Tab = { port, topics: [], seen: Date.now() };
  tabs.add(tab);
  port.onmessage = (message: MessageEvent<FromTab>) => hear(tab, message.data);
  port.postMessage({ type: "status", status: stream.status } satisfies LiveNotice);
};

setInterval(() => {
  for (const tab of tabs) if (Date.now() - tab.seen > SILENT_TAB_MS) drop(tab);
}, 30_000);
