import type { Import } from "../../api/types";
import { count, plural } from "../../lib/format";

/** What an import came to: people added and changed, and what became of the other rows. */
export function outcome(item: Import): string {
  const people = [
    item.created > 0 && `${plural(item.created, "person", "people")} added`,
    item.updated > 0 && `${plural(item.updated, "person", "people")} updated`,
  ].filter(Boolean);
  const rows = [
    item.unchanged > 0 && `${count(item.unchanged)} unchanged`,
    item.merged > 0 && `${count(item.merged)} merged`,
    item.rejected > 0 && `${count(item.rejected)} rejected`,
  ].filter(Boolean);
  const first = people.length > 0 ? people.join(", ") : "No people added";
  return rows.length > 0 ? `${first}; ${rows.join(", ")}` : first;
}
