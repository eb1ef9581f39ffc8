import { Problem, unreachable } from "./problem";

const READ_MS = 12_000;
const WRITE_MS = 15_000;
const LONG_MS = 60_000;
/** What reads much, or waits for somebody outside: an audience, the whole audit trail, Twilio. */
const LONG = /\/(verification|preflight|evaluate|consent|test-send|redrive|discard|replays|dry-run|release)$/;

/** How long an answer is waited for, in milliseconds. */
export function limitOf(method: string, url: string): number {
  if (LONG.test(new URL(url).pathname)) return LONG_MS;
  return method === "GET" ? READ_MS : WRITE_MS;
}

/** No answer came in time. A write may have been done all the same. */
export function late(method: string, ms: number): Problem {
  const waited = `The server has not answered for ${Math.round(ms / 1000)} seconds.`;
  const what = method === "GET" ? "It may be busy or restarting. Retry; if this goes on, look at System status under Alerts." : "The request may still complete. Reload the page and check before you try again.";
  return new Problem({ status: 0, code: "timeout", title: "Still waiting", detail: `${waited} ${what}` });
}

/** Sends a request and gives up after its time. Throws a `Problem` where no answer came, and what the caller's own signal threw. */
export async function send(request: Request, ms = limitOf(request.method, request.url), ask: (request: Request) => Promise<Response> = fetch): Promise<Response> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), ms);
  try {
    return await ask(new Request(request, { signal: AbortSignal.any([request.signal, limit.signal]) }));
  } catch (error) {
    if (limit.signal.aborted) throw late(request.method, ms);
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable();
  } finally {
    clearTimeout(timer);
  }
}
