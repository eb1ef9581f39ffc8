/**
 * One live connection and what it promises: it resumes after the last frame it saw, tells a gap from a pause, and
 * says honestly whether it is connected. Knows nothing of workers, tabs or caches, so that each of them can hold it.
 */

import { covers, isMonitoring, monitoringPart, withoutMonitoring, type MonitoringEvent, type Subscribed } from "./frames";

export interface LiveUpdate {
  topic: string;
  kind: string;
  id: string;
  version: number;
  patch: Record<string, unknown>;
}

/** Whether one of these topics covers the update: the server names the family ("imports") where one was asked for ("import:7"). */
export const isFollowed = (topics: readonly string[], update: LiveUpdate): boolean =>
  topics.includes(update.topic) || topics.includes(`${update.topic.replace(/s$/, "")}:${update.id}`);

export type LiveStatus = "connecting" | "live" | "reconnecting" | "idle";

export type LiveNotice =
  | { type: "update"; update: LiveUpdate; at: number }
  | { type: "resync" }
  | { type: "status"; status: LiveStatus }
  /** The connection is alive and stands here (`<epoch>:<offset>` of the monitoring events, empty where none are followed). */
  | { type: "heard"; at: number; position: string }
  | { type: "subscribed"; said: Subscribed }
  | { type: "monitoring"; event: MonitoringEvent; position: string }
  | { type: "skipped"; from: number; to: number; position: string }
  | { type: "unauthorized" };

/** The part of EventSource that is used. */
export interface Source {
  readyState: number;
  onopen: ((event: Event) => void) | null;
  onerror: ((event: Event) => void) | null;
  addEventListener(name: string, listener: (event: MessageEvent<string>) => void): void;
  close(): void;
}

export interface StreamOptions {
  open: (url: string) => Source;
  notify: (notice: LiveNotice) => void;
  /** Milliseconds to wait before attempt `n` (0 = first). */
  backoff?: (attempt: number) => number;
  /** Schedules a call and returns how to cancel it. */
  later?: (run: () => void, ms: number) => () => void;
  /** The same, for the call that ends a connection on which nothing is heard. */
  watch?: (run: () => void, ms: number) => () => void;
}

const SILENT_MS = 25_000; // the server says something every 10 s

const CLOSED = 2;
const jitter = (attempt: number): number => Math.min(15_000, 1500 * 2 ** Math.min(attempt, 3)) * (0.75 + Math.random() / 2);

function defaultLater(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

export class LiveStream {
  #options: Required<StreamOptions>;
  #topics: string[] = [];
  #source: Source | null = null;
  #position: string | null = null;
  /** The monitoring topics under which the position was reached. */
  #monitored: string[] = [];
  #attempt = 0;
  #status: LiveStatus = "idle";
  #cancelRetry: (() => void) | null = null;
  #cancelWatch: (() => void) | null = null;

  constructor(options: StreamOptions) {
    this.#options = { backoff: jitter, later: defaultLater, watch: defaultLater, ...options };
  }

  get status(): LiveStatus {
    return this.#status;
  }

  get position(): string | null {
    return this.#position;
  }

  /**
   * Follows exactly these topics; reopens at the last position only if the set changed. `anew`: somebody did not see
   * which monitoring events came before, so their latest state is asked for again.
   */
  follow(topics: Iterable<string>, anew = false): void {
    const wanted = [...new Set(topics)].toSorted();
    if (wanted.join() === this.#topics.join() && !anew) return;
    if (anew) this.#position = withoutMonitoring(this.#position);
    this.#topics = wanted;
    this.#attempt = 0;
    const monitored = wanted.filter(isMonitoring);
    if (monitored.length > 0) {
      if (!covers(this.#monitored, monitored)) this.#position = withoutMonitoring(this.#position);
      this.#monitored = monitored;
    }
    this.#reopen();
  }

  /** Drops the connection now and opens it again where it stood. */
  #reopen(): void {
    this.#close();
    if (this.#topics.length === 0) {
      this.#setStatus("idle");
      return;
    }
    this.#setStatus(this.#position === null ? "connecting" : "reconnecting");
    const after = this.#position === null ? "" : `&after=${encodeURIComponent(this.#position)}`;
    const source = this.#options.open(`/api/v1/live?topics=${encodeURIComponent(this.#topics.join(","))}${after}`);
    this.#source = source;
    this.#heard(source);
    source.onopen = () => {
      this.#attempt = 0;
      this.#heard(source);
      this.#setStatus("live");
    };
    source.onerror = () => this.#failed(source);
    this.#listen(source);
  }

  #listen(source: Source): void {
    const on = (name: string, act: (event: MessageEvent<string>) => void) =>
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        this.#heard(source);
        act(event);
      });
    const standing = (event: MessageEvent<string>): string => {
      if (event.lastEventId) this.#position = event.lastEventId;
      return monitoringPart(this.#position);
    };
    const { notify } = this.#options;
    on("heartbeat", (event) => notify({ type: "heard", at: Date.now(), position: standing(event) }));
    on("update", (event) => this.#received(event));
    on("resync", (event) => {
      this.#position = event.lastEventId || null;
      notify({ type: "resync" });
    });
    on("subscribed", (event) => {
      standing(event);
      this.#setStatus("live");
      notify({ type: "subscribed", said: JSON.parse(event.data) as Subscribed });
    });
    on("monitoring", (event) => notify({ type: "monitoring", position: standing(event), event: JSON.parse(event.data) as MonitoringEvent }));
    on("skipped", (event) => notify({ type: "skipped", position: standing(event), ...(JSON.parse(event.data) as { from: number; to: number }) }));
    on("reconnect", (event) => {
      standing(event);
      this.#leave((JSON.parse(event.data) as { delay_ms: number }).delay_ms);
    });
    on("slow", (event) => {
      standing(event);
      this.#leave(this.#options.backoff(this.#attempt++));
    });
  }

  retryNow(): void {
    if (this.#status !== "live") this.#reopen();
  }

  stop(): void {
    this.#topics = [];
    this.#close();
    this.#setStatus("idle");
  }

  #received(event: MessageEvent<string>): void {
    if (event.lastEventId) this.#position = event.lastEventId;
    this.#setStatus("live");
    const update = JSON.parse(event.data) as LiveUpdate;
    this.#options.notify({ type: "update", update, at: Date.now() });
  }

  /** A source that closed for good was refused (an expired session, usually); one still connecting retries by itself. */
  #failed(source: Source): void {
    if (source !== this.#source) return;
    if (source.readyState === CLOSED) this.#options.notify({ type: "unauthorized" });
    this.#leave(this.#options.backoff(this.#attempt++));
  }

  /** Closes now, and comes back where it stood after `ms`. */
  #leave(ms: number): void {
    this.#close();
    this.#setStatus("reconnecting");
    this.#cancelRetry = this.#options.later(() => this.#reopen(), ms);
  }

  /** A half-open connection reports no error: silence longer than two heartbeats is one. */
  #heard(source: Source): void {
    this.#cancelWatch?.();
    this.#cancelWatch = this.#options.watch(() => this.#failed(source), SILENT_MS);
  }

  #close(): void {
    this.#cancelWatch?.();
    this.#cancelWatch = null;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#source?.close();
    this.#source = null;
  }

  #setStatus(status: LiveStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#options.notify({ type: "status", status });
  }
}
