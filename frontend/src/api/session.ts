/** The session lives in httpOnly cookies; this file renews it once and otherwise sends the person to sign in. */

const REFRESHED_AT = "ese.session-refreshed-at";
let running: Promise<boolean> | null = null;

function refreshedRecently(): boolean {
  try {
    return Date.now() - Number(localStorage.getItem(REFRESHED_AT) ?? 0) < 4000;
  } catch {
    return false;
  }
}

async function post(): Promise<boolean> {
  if (refreshedRecently()) return true; // another tab rotated the token a moment ago
  const response = await fetch("/api/v1/auth/refresh", { method: "POST" }).catch(() => null);
  if (!response?.ok) return false;
  try {
    localStorage.setItem(REFRESHED_AT, String(Date.now()));
  } catch {
    // Without storage each tab refreshes for itself.
  }
  return true;
}

async function exclusively(): Promise<boolean> {
  return navigator.locks ? await navigator.locks.request("ese.session", post) : await post();
}

/** One refresh at a time per tab, and per browser where Web Locks exist (not on plain-HTTP LAN addresses). */
export function refreshSession(): Promise<boolean> {
  const attempt: Promise<boolean> = running ?? exclusively().finally(() => (running = null));
  running = attempt;
  return attempt;
}

export function goToSignIn(): void {
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}
