import { LogOut, UserRound } from "lucide-react";
import { signOut } from "../api/identity";
import { setAppearance, useAppearance, type Glass, type Theme } from "../lib/appearance";
import { Button } from "react-aria-components/Button";
import { Menu, MenuChoice, MenuChoices, MenuItem, MenuSeparator } from "../ui/menu";
import { toast } from "../ui/toast";

export default function AccountMenu({ name, look }: { name: string; look: string }) {
  const { theme, glass } = useAppearance();
  const leave = () =>
    signOut().then(
      () => location.assign("/sign-in"),
      (error: unknown) => toast.failed(error),
    );
  return (
    <Menu
      label="Account"
      openAtOnce
      trigger={
        <Button aria-label={`Account: ${name}`} className={look}>
          <UserRound aria-hidden className="size-[18px]" />
        </Button>
      }
    >
      <MenuItem icon={<UserRound aria-hidden />} href="/profile">{`${name}: my profile`}</MenuItem>
      <MenuSeparator />
      <MenuChoices title="Theme" value={theme} onChange={(value) => setAppearance({ theme: value as Theme })}>
        <MenuChoice id="system">As the system</MenuChoice>
        <MenuChoice id="light">Light</MenuChoice>
        <MenuChoice id="dark">Dark</MenuChoice>
      </MenuChoices>
      <MenuChoices title="Glass" value={glass} onChange={(value) => setAppearance({ glass: value as Glass })}>
        <MenuChoice id="auto">Automatic</MenuChoice>
        <MenuChoice id="on">On</MenuChoice>
        <MenuChoice id="off">Off</MenuChoice>
      </MenuChoices>
      <MenuSeparator />
      <MenuItem icon={<LogOut aria-hidden />} onAction={() => void leave()}>
        Sign out
      </MenuItem>
    </Menu>
  );
}
