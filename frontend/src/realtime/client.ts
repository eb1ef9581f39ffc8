/** The tab's side of the live connection: who wants which topic, whether it is paused, and what is to be said of it. */
import { useEffect, useSyncExternalStore } from "react";
import { beFresh, goToSignIn, isStale, refreshSession } from "../api/session";
import { isMonitoring } from "./frames";
import * as monitoring from "./monitoring";
import type { FromTab } from "./shared.worker";
import { LiveStream, type LiveNotice, type LiveStatus, type LiveUpdate } from "./stream";

export interface LiveState {
  status: LiveStatus;
  paused: boolean;
  /** Updates that arrived while paused and are not on the screen. */
  waiting: number;
  lastAt: number | null;
  /** When the server was last heard at all (ms); it says something at least every ten seconds. */
  heardAt: number | null;
}

interface Sink {
  update: (update: LiveUpdate) => void;
  resync: () => void;
}

const RENEWED_EVERY_MS = 30_000; // the server counts a token as over a minute early

let state: LiveState = { status: "idle", paused: false, waiting: 0, lastAt: null, heardAt: null };
let sink: Sink | null = null;
let send: ((message: FromTab) => void) | null = null;
const listeners = new Set<() => void>();
const topicUsers = new Map<string, number>();
const taps = new Set<(update: LiveUpdate) => void>();

function set(change: Partial<LiveState>): void {
  state = { ...state, ...change };
  for (const listener of listeners) listener();
}

function onUpdate(update: LiveUpdate, at: number): void {
  if (state.paused) {
    set({ waiting: state.waiting + 1, lastAt: at, heardAt: at });
    return;
  }
  set({ lastAt: at, heardAt: at });
  for (const tap of taps) tap(update);
  sink?.update(update);
}

async function onUnauthorized(): Promise<void> {
  if (!isStale()) {
    const answer = await fetch("/api/v1/auth/me").catch(() => null);
    if (answer?.status !== 401) return; // the server is down or restarting: the stream keeps trying
  }
  const renewal = await refreshSession();
  if (renewal === "renewed") send?.({ type: "retry" });
  else if (renewal === "refused") goToSignIn();
}

function onNotice(notice: LiveNotice): void {
  if (notice.type === "update") onUpdate(notice.update, notice.at);
  else if (notice.type === "resync") sink?.resync();
  else if (notice.type === "status") onStatus(notice.status);
  else if (notice.type === "unauthorized") void onUnauthorized();
  else {
    set({ heardAt: Date.now() });
    monitoring.take(notice, [...topicUsers.keys()].filter(isMonitoring));
  }
}

function onStatus(status: LiveStatus): void {
  set({ status, heardAt: status === "live" ? Date.now() : state.heardAt });
  if (status !== "live") monitoring.interrupted();
}

function throughWorker(): (message: FromTab) => void {
  const worker = new SharedWorker(new URL("./shared.worker.ts", import.meta.url), { type: "module", name: "ese-live" });
  worker.port.onmessage = (event: MessageEvent<LiveNotice>) => onNotice(event.data);
  worker.port.start();
  setInterval(() => worker.port.postMessage({ type: "ping" } satisfies FromTab), 30_000);
  addEventListener("pagehide", () => worker.port.postMessage({ type: "bye" } satisfies FromTab));
  addEventListener("pageshow", (event) => event.persisted && publishTopics());
  return (message) => worker.port.postMessage(message);
}

/** Without SharedWorker each tab holds its own stream, closed while hidden so that six tabs do not starve fetch. */
function throughTab(): (message: FromTab) => void {
  const stream = new LiveStream({ open: (url) => new EventSource(url), notify: onNotice });
  let topics: string[] = [];
  document.addEventListener("visibilitychange", () => stream.follow(document.hidden ? [] : topics)); // and resumes where it stood
  return (message) => {
    if (message.type === "topics") stream.follow((topics = message.topics));
    else if (message.type === "retry") stream.retryNow();
  };
}

let isReady = false; // nothing is asked for with a token that is over

function publishTopics(): void {
  if (!isReady) return;
  const topics = [...topicUsers.keys()];
  send?.({ type: "topics", topics, known: topics.some(isMonitoring) ? monitoring.position() : "" });
}

export function startLive(target: Sink): void {
  if (send) return;
  sink = target;
  send = "SharedWorker" in globalThis ? throughWorker() : throughTab();
  setInterval(() => void beFresh(), RENEWED_EVERY_MS); // before the token ends, so that the stream goes on with the next
  void beFresh().then((renewal) => {
    if (renewal === "refused") goToSignIn();
    isReady = true;
    publishTopics();
  });
}

function join(topics: readonly string[]): () => void {
  for (const topic of topics) topicUsers.set(topic, (topicUsers.get(topic) ?? 0) + 1);
  publishTopics();
  return () => {
    for (const topic of topics) {
      const left = (topicUsers.get(topic) ?? 1) - 1;
      if (left > 0) topicUsers.set(topic, left);
      else topicUsers.delete(topic);
    }
    publishTopics();
  };
}

/** Keeps these topics flowing into the query cache while the component is on the page. */
export function useLive(...topics: string[]): void {
  const key = topics.join();
  useEffect(() => join(key === "" ? [] : key.split(",")), [key]);
}

/** Hands every update to `listener` before the cache sees it. */
export function useLiveTap(listener: (update: LiveUpdate) => void): void {
  useEffect(() => {
    taps.add(listener);
    return () => {
      taps.delete(listener);
    };
  }, [listener]);
}

/** Pausing freezes the screen; what arrives is counted, and resuming reads everything afresh. */
export function setPaused(paused: boolean): void {
  if (paused === state.paused) return;
  const missed = state.waiting > 0;
  set({ paused, waiting: 0 });
  if (!paused && missed) sink?.resync();
}

export const retryLive = (): void => send?.({ type: "retry" });

function subscribe(notify: () => void): () => void {
  listeners.add(notify);
  return () => listeners.delete(notify);
}

export const useLiveState = (): LiveState => useSyncExternalStore(subscribe, () => state);
