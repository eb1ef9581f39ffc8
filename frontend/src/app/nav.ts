import { Activity, AtSign, FileUp, Filter, Flag, Inbox, Megaphone, MessageSquareText, Settings, Users, Waypoints, type LucideIcon } from "lucide-react";

export interface Place {
  to: "/" | "/inbound" | "/contacts" | "/imports" | "/segments" | "/templates" | "/campaigns" | "/senders" | "/streams" | "/flags" | "/settings";
  label: string;
  icon: LucideIcon;
  /** The letter after `g`. */
  key: string;
}

export const groups: { title: string; places: Place[] }[] = [
  {
    title: "Monitor",
    places: [
      { to: "/", label: "Overview", icon: Activity, key: "o" },
      { to: "/inbound", label: "Inbound", icon: Inbox, key: "i" },
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
      { to: "/flags", label: "Feature flags", icon: Flag, key: "f" },
      { to: "/settings", label: "Settings", icon: Settings, key: "e" },
    ],
  },
];

export const places: Place[] = groups.flatMap((group) => group.places);
