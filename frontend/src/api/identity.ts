import { queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";
import type { Account } from "./types";

export const meQuery = () =>
  queryOptions({ queryKey: ["me"], queryFn: ({ signal }) => unwrap<Account>(client.GET("/api/v1/auth/me", { signal })), staleTime: 300_000 });

export const updateMe = (body: { display_name?: string; password?: string; current_password?: string }) =>
  unwrap<Account>(client.PATCH("/api/v1/auth/me", { body }));

export const signOut = () => unwrap<void>(client.POST("/api/v1/auth/logout", {}));
export const addMember = (body: { email: string; password: string; display_name: string }) => unwrap<Account>(client.POST("/api/v1/auth/register", { body }));
