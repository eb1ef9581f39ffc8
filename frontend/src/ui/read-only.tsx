import type { ReactNode } from "react";
import type { Permission } from "../api/types";
import { useLacks } from "../lib/permissions";

/** A form that who may not change it can read: the page's heading says why nothing can be entered. */
export function ReadOnly({ needs, children }: { needs: Permission; children: ReactNode }) {
  return (
    <fieldset disabled={useLacks(needs) !== null} className="contents">
      {children}
    </fieldset>
  );
}
