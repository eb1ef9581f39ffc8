/** The session lives in httpOnly cookies; this file renews it, and otherwise sends the person to sign in. */

const REFRESHED_AT = "ese.session-refreshed-at";

/** A request waits for the renewal: it may not hang longer than a request. */
const REFRESH_MS = 12_000;

/** `refused`: the session is over; `unreachable`: nobody answered. */
export type Renewal = "renewed" | "refused" | "unreachable";

let running: Promise<Renewal> | null = null;

const has = (name: string): boolean => document.cookie.split("; ").some((cookie) => cookie.startsWith(`${name}=`));

/** There is a session, and its access token is over, or is within a minute: the server's marks say so, which end by themselves. */
export const isStale = (): boolean => has("ese_session") && !has("ese_fresh");

function refreshedRecently(): boolean {
  try {
    return Date.now() - Number(localStorage.getItem(REFRESHED_AT) ?? 0) < 4000;
  } catch {
    return false;
  }
}

async function post(): Promise<Renewal> {
  if (refreshedRecently()) return "renewed"; // another tab rotated the token a moment ago
  const response = await fetch("/api/v1/auth/refresh", { method: "POST", signal: AbortSignal.timeout(REFRESH_MS) }).catch(() => null);
  if (!response?.ok) return response?.status === 401 ? "refused" : "unreachable";
  try {
    localStorage.setItem(REFRESHED_AT, String(Date.now()));
  } catch {
    // Without storage each tab refreshes for itself.
  }
  return "renewed";
}

async function exclusively(): Promise<Renewal> {
  return navigator.locks ? await navigator.locks.request("ese.session", post) : await post();
}

/** One refresh at a time per tab, and per browser where Web Locks exist (not on plain-HTTP LAN addresses). */
export function refreshSession(): Promise<Renewal> {
  const attempt: Promise<Renewal> = running ?? exclusively().finally(() => (running = null));
  running = attempt;
  return attempt;
}

/** Before a request: what is over is renewed first, once for all that wait, so that none of them is refused. */
export async function beFresh(): Promise<Renewal> {
  return isStale() ? await refreshSession() : "renewed";
}

export function goToSignIn(): void {
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}
