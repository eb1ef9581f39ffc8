import { queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";
import type { ProfileInput } from "./types";

export const meQuery = () =>
  queryOptions({ queryKey: ["me"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/auth/me", { signal })), staleTime: 300_000 });

export const updateMe = (body: ProfileInput) =>
  unwrap(client.PATCH("/api/v1/auth/me", { body }));

export const signOut = () => unwrap(client.POST("/api/v1/auth/logout", {}));
