import { Activity, BellRing, ScrollText, UsersRound, AtSign, FileUp, Filter, Flag, Inbox, Megaphone, MessageSquareText, Radar, Settings, Users, Waypoints, type LucideIcon } from "lucide-react";
import type { Permission } from "../api/types";

export interface Place {
  to: "/" | "/alerts" | "/inbound" | "/contacts" | "/imports" | "/segments" | "/templates" | "/campaigns" | "/senders" | "/streams" | "/monitoring" | "/flags" | "/accounts" | "/audit" | "/settings";
  label: string;
  icon: LucideIcon;
  /** The letter after `g`. */
  key: string;
  /** Shown to whoever has it. */
  needs?: Permission;
}

export const groups: { title: string; places: Place[] }[] = [
  {
    title: "Monitor",
    places: [
      { to: "/", label: "Overview", icon: Activity, key: "o" },
      { to: "/inbound", label: "Inbound", icon: Inbox, key: "i" },
      { to: "/alerts", label: "Alerts", icon: BellRing, key: "w" },
    ],
  },
  {
    title: "Engage",
    places: [
      { to: "/contacts", label: "Contacts", icon: Users, key: "c" },
      { to: "/imports", label: "Imports", icon: FileUp, key: "u" },
      { to: "/segments", label: "Segments", icon: Filter, key: "s" },
      { to: "/templates", label: "Templates", icon: MessageSquareText, key: "t" },
      { to: "/campaigns", label: "Campaigns", icon: Megaphone, key: "m" },
      { to: "/senders", label: "Senders", icon: AtSign, key: "n" },
    ],
  },
  {
    title: "Admin",
    places: [
      { to: "/streams", label: "Event streams", icon: Waypoints, key: "b" },
      { to: "/monitoring", label: "Monitoring", icon: Radar, key: "h", needs: "monitoring:read" },
      { to: "/flags", label: "Feature flags", icon: Flag, key: "f" },
      { to: "/accounts", label: "Accounts", icon: UsersRound, key: "a", needs: "accounts:manage" },
      { to: "/audit", label: "Audit trail", icon: ScrollText, key: "l", needs: "audit:read" },
      { to: "/settings", label: "Settings", icon: Settings, key: "e" },
    ],
  },
];

export const places: Place[] = groups.flatMap((group) => group.places);
