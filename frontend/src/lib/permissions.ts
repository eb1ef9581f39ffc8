import { createContext, use } from "react";
import type { Me, Permission } from "../api/types";

/** The signed-in person, as the shell knows them; null until it does. */
export const WhoContext = createContext<Pick<Me, "role" | "permissions"> | null>(null);

/** Whether the signed-in person has a permission; undefined while that is not known. */
export const useMay = (permission: Permission): boolean | undefined => use(WhoContext)?.permissions.includes(permission);

/** Why something is not allowed, or null where it is (or where that is not known yet: the server decides anyway). */
export function useLacks(permission?: Permission): string | null {
  const me = use(WhoContext);
  if (permission === undefined || !me || me.permissions.includes(permission)) return null;
  return `Your role (${me.role}) does not have ${permission}. An admin can change it.`;
}
