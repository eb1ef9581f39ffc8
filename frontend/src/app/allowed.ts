import { use, useEffect } from "react";
import type { Permission } from "../api/types";
import { WhoContext } from "../lib/permissions";
import { read, write } from "../lib/storage";
import type { Place } from "./nav";

const KEPT = "permissions";
/** What the person who was here last may do: the navigation is drawn from it until the server has said who this is. */
const remembered = read<Permission[] | null>(KEPT, null);

/** Which places are shown: those that ask for nothing, and those whose permission the person has. */
export function useAllowed(): (place: Place) => boolean {
  const known = use(WhoContext)?.permissions;
  useEffect(() => {
    if (known) write(KEPT, known);
  }, [known]);
  const held = known ?? remembered;
  return (place) => place.needs === undefined || held?.includes(place.needs) === true;
}
