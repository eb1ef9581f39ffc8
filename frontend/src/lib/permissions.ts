import { createContext, use } from "react";
import type { Me, Permission } from "../api/types";

/** The signed-in person, as the shell knows them; null until it does. */
export const WhoContext = createContext<Pick<Me, "role" | "permissions"> | null>(null);

/** Whether the signed-in person has a permission; undefined while that is not known. */
export const useMay = (permission: Permission): boolean | undefined => use(WhoContext)?.permissions.includes(permission);

/** What each permission lets a person do: "Your role may not …". */
const able: Record<Permission, string> = {
  "accounts:manage": "manage accounts",
  "alerts:operate": "acknowledge or silence alerts",
  "audit:read": "read the audit trail",
  "campaigns:launch": "launch, pause or cancel campaigns",
  "campaigns:read": "see campaigns",
  "campaigns:write": "change campaigns, templates and segments",
  "contacts:export": "export people",
  "contacts:read": "see contacts",
  "contacts:reveal": "see or search phone numbers, names and texts",
  "contacts:write": "add, change or import contacts",
  "flags:read": "see feature flags",
  "flags:write": "change feature flags",
  "monitoring:operate": "operate circuit breakers and metrics",
  "monitoring:read": "see monitoring",
  "sandbox:use": "use the sandbox",
  "senders:write": "change senders",
  "streams:operate": "operate event streams",
  "streams:read": "see event streams",
};

/** Why something is not allowed, or null where it is (or where that is not known yet: the server decides anyway). */
export function useLacks(permission?: Permission): string | null {
  const me = use(WhoContext);
  if (permission === undefined || !me || me.permissions.includes(permission)) return null;
  return `Your role (${me.role}) may not ${able[permission]}. An admin can change your role.`;
}
