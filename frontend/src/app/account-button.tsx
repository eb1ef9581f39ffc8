import { useQuery } from "@tanstack/react-query";
import { UserRound } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { meQuery } from "../api/identity";

const load = () => import("./account-menu");
const AccountMenu = lazy(load);
const look = "grid size-9 shrink-0 place-items-center rounded-full border border-line-strong bg-solid text-muted hover:text-text pointer-coarse:size-11";

/** A plain button until it is pressed; the menu and its overlay code come with the first press. */
export function AccountButton() {
  const [wanted, setWanted] = useState(false);
  const me = useQuery(meQuery());
  const name = me.data?.display_name ?? "Account";
  const plain = (
    <button type="button" aria-haspopup="menu" aria-label={`Account: ${name}`} className={look} onClick={() => setWanted(true)} onPointerEnter={() => void load()} onFocus={() => void load()}>
      <UserRound aria-hidden className="size-[18px]" />
    </button>
  );
  if (!wanted) return plain;
  return (
    <Suspense fallback={plain}>
      <AccountMenu name={name} look={look} />
    </Suspense>
  );
}
