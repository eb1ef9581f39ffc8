import createClient from "openapi-fetch";
import type { paths } from "./schema";
import { send } from "./limit";
import { problemFrom, unreachable } from "./problem";
import { beFresh, goToSignIn, refreshSession } from "./session";

function randomKey(): string {
  const random = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A wrong password or code is no ended session: asking again would count as another guess. */
const wrong = new Set(["wrong_credentials", "wrong_code", "challenge_ended"]);
const isAboutTheAnswer = (response: Response): Promise<boolean> =>
  response
    .clone()
    .json()
    .then((body: unknown) => wrong.has((body as { code?: string } | null)?.code ?? ""), () => false);

/** The session is over: to ask is of no use. */
function ended(): Response {
  goToSignIn();
  return Response.json({ code: "session_ended", title: "Your session has ended: sign in again" }, { status: 401 });
}

async function sessionFetch(request: Request): Promise<Response> {
  if (request.method === "POST" && !request.headers.has("Idempotency-Key")) request.headers.set("Idempotency-Key", randomKey());
  const again = request.clone();
  if ((await beFresh()) === "refused") return ended();
  const first = await send(request);
  if (first.status !== 401 || (await isAboutTheAnswer(first))) return first;
  const renewal = await refreshSession();
  if (renewal === "renewed") return send(again);
  if (renewal === "refused") goToSignIn();
  return first;
}

export const client = createClient<paths>({ baseUrl: location.origin, fetch: sessionFetch });

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a good answer; a Problem is thrown for any other. */
export async function unwrap<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw problemFrom(response.status, error, response.headers);
  return data as T;
}

export const ifMatch = (version: number): { "If-Match": string } => ({ "If-Match": `"${version}"` });

/** Sends one file with progress; fetch cannot report upload progress, XMLHttpRequest can. */
export function upload<T>(path: string, file: File, onProgress: (ratio: number) => void, signal?: AbortSignal): Promise<T> {
  const attempt = () =>
    new Promise<XMLHttpRequest>((resolve, reject) => {
      const request = new XMLHttpRequest();
      const form = new FormData();
      form.append("name", file.name);
      form.append("file", file, file.name);
      request.open("POST", path);
      request.responseType = "json";
      request.setRequestHeader("Idempotency-Key", randomKey());
      request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
      request.onload = () => resolve(request);
      request.onerror = () => reject(unreachable());
      request.onabort = () => reject(new DOMException("The upload was canceled", "AbortError"));
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      request.send(form);
    });
  const settle = (request: XMLHttpRequest): T => {
    if (request.status >= 200 && request.status < 300) return request.response as T;
    throw problemFrom(request.status, request.response);
  };
  return beFresh()
    .then(attempt)
    .then(async (request) => {
      if (request.status !== 401) return settle(request);
      const renewal = await refreshSession();
      if (renewal === "renewed") return settle(await attempt());
      if (renewal === "refused") goToSignIn();
      return settle(request);
    });
}
