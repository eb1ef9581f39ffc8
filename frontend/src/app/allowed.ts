import { use } from "react";
import { WhoContext } from "../lib/permissions";
import type { Place } from "./nav";

/** Which places are shown: those that ask for nothing, and those whose permission the person has. */
export function useAllowed(): (place: Place) => boolean {
  const held = use(WhoContext)?.permissions;
  return (place) => place.needs === undefined || held?.includes(place.needs) === true;
}
