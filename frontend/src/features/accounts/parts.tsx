import { useQuery } from "@tanstack/react-query";
import { rolesQuery } from "../../api/access";
import type { Account, Role } from "../../api/types";
import { sentence } from "../../lib/format";
import { Chip, type Tone } from "../../ui/chip";

export const roleHints: Record<Role, string> = {
  viewer: "Read-only; personal data is masked",
  operator: "Manages contacts, campaigns and streams",
  admin: "Also manages accounts, flags and the audit trail",
};
export const roleOptions = (Object.keys(roleHints) as Role[]).map((id) => ({ id, label: sentence(id), hint: roleHints[id] }));

const tones: Record<Role, Tone> = { viewer: "neutral", operator: "info", admin: "accent" };

export function RoleChip({ role }: { role: Role }) {
  return (
    <Chip tone={tones[role]} dot={false}>
      {sentence(role)}
    </Chip>
  );
}

export function StatusChip({ status }: { status: Account["status"] }) {
  return <Chip tone={status === "active" ? "ok" : "bad"}>{status === "active" ? "Active" : "Disabled"}</Chip>;
}

/** What a role may do, in words, as the server has it. */
export function RoleMeaning({ role }: { role: Role }) {
  const table = useQuery(rolesQuery()).data;
  const granted = new Set<string>(table?.roles.find((entry) => entry.name === role)?.permissions);
  if (!table) return null;
  return (
    <ul className="grid gap-1.5 text-sm">
      {table.permissions.map((permission) => (
        <li key={permission.name} className={granted.has(permission.name) ? "" : "text-muted line-through"}>
          <span className="font-mono text-xs">{permission.name}</span>
          <span className="block wrap-anywhere">{permission.meaning}</span>
          {!granted.has(permission.name) && <span className="sr-only"> (not allowed)</span>}
        </li>
      ))}
    </ul>
  );
}
