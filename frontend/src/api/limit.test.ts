import { describe, expect, it } from "vitest";
import { limitOf, send } from "./limit";

const request = (method = "GET", signal?: AbortSignal) => new Request("http://server.test/api/v1/contacts", { method, signal });
/** A server that never answers. */
const hangs = ({ signal }: Request) =>
  new Promise<Response>((_, reject) => {
    const stop = () => reject(new DOMException("aborted", "AbortError"));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });

describe("a request", () => {
  it("is given up after its time, and says what to do", async () => {
    await expect(send(request(), 5, hangs)).rejects.toMatchObject({ code: "timeout", title: "Still waiting", status: 0 });
    await expect(send(request("POST"), 5, hangs)).rejects.toThrow(/check before you try again/);
  });
  it("is answered as before in time", async () => {
    expect(await (await send(request(), 1000, () => Promise.resolve(new Response("yes")))).text()).toBe("yes");
  });
  it("that nobody takes says that the server does not answer", async () => {
    await expect(send(request(), 1000, () => Promise.reject(new TypeError("refused")))).rejects.toMatchObject({ code: "unreachable" });
  });
  it("that its caller gave up is no failure of the server", async () => {
    await expect(send(request("GET", AbortSignal.abort()), 1000, hangs)).rejects.toMatchObject({ name: "AbortError" });
  });
  it("waits 10 to 15 seconds, and longer only for what is long", () => {
    expect([limitOf("GET", "http://a/api/v1/contacts?x=1"), limitOf("PATCH", "http://a/api/v1/contacts/7")]).toEqual([12_000, 15_000]);
    expect(limitOf("POST", "http://a/api/v1/campaigns/7/preflight")).toBe(60_000);
  });
});
