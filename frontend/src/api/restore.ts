import { queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";

/** Asked for on every page: a hold begins without anybody's doing. */
const LOOK_EVERY_MS = 10_000;

export const holdQuery = () =>
  queryOptions({ queryKey: ["restore"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/restore", { signal })), refetchInterval: LOOK_EVERY_MS });

/** Twilio is asked for everything that was received in the gap first, so this may take a while. */
export const releaseHold = (reason: string) => unwrap(client.POST("/api/v1/restore/release", { body: { reason } }));
