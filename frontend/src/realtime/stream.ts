/**
 * One live connection and what it promises: it resumes after the last frame it saw, tells a gap from a pause, and
 * says honestly whether it is connected. Knows nothing of workers, tabs or caches, so that each of them can hold it.
 */

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

  /** Follows exactly these topics; reopens at the last position only if the set changed. */
  follow(topics: Iterable<string>): void {
    const wanted = [...new Set(topics)].toSorted();
    if (wanted.join() === this.#topics.join()) return;
    this.#topics = wanted;
    this.#attempt = 0;
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
    source.addEventListener("heartbeat", (event) => {
      this.#heard(source);
      if (event.lastEventId) this.#position = event.lastEventId;
    });
    source.addEventListener("update", (event) => {
      this.#heard(source);
      this.#received(event);
    });
    source.addEventListener("resync", (event) => {
      this.#heard(source);
      this.#position = event.lastEventId || null;
      this.#options.notify({ type: "resync" });
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
    const refused = source.readyState === CLOSED;
    this.#close();
    this.#setStatus("reconnecting");
    if (refused) this.#options.notify({ type: "unauthorized" });
    this.#cancelRetry = this.#options.later(() => this.#reopen(), this.#options.backoff(this.#attempt++));
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
