import { queryOptions } from "@tanstack/react-query";
import { client, unwrap } from "./client";
import type { ProfileInput, TwoStepProof } from "./types";

export const meQuery = () =>
  queryOptions({ queryKey: ["me"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/auth/me", { signal })), staleTime: 300_000 });

export const updateMe = (body: ProfileInput) =>
  unwrap(client.PATCH("/api/v1/auth/me", { body }));

export const keepEmail = () => unwrap(client.DELETE("/api/v1/auth/me/new-email", {}));

export const signOut = () => unwrap(client.POST("/api/v1/auth/logout", {}));

export const sessionsQuery = () =>
  queryOptions({ queryKey: ["sessions"], queryFn: ({ signal }) => unwrap(client.GET("/api/v1/auth/sessions", { signal })) });
export const endSession = (id: string) => unwrap(client.DELETE("/api/v1/auth/sessions/{session_id}", { params: { path: { session_id: id } } }));
export const endOtherSessions = () => unwrap(client.DELETE("/api/v1/auth/sessions", {}));
export const confirmAlarms = () => unwrap(client.POST("/api/v1/auth/sessions/seen", {}));

export const beginTwoStep = (password: string) => unwrap(client.POST("/api/v1/auth/two-step/begin", { body: { password } }));
export const confirmTwoStep = (code: string) => unwrap(client.POST("/api/v1/auth/two-step/confirm", { body: { code } }));
export const newBackupCodes = (body: TwoStepProof) => unwrap(client.POST("/api/v1/auth/two-step/backup-codes", { body }));
export const turnTwoStepOff = (body: TwoStepProof) => unwrap(client.POST("/api/v1/auth/two-step/off", { body }));
