import type { ReactElement, ReactNode } from "react";
import { Header } from "react-aria-components/Header";
import { Menu as AriaMenu, MenuItem as AriaMenuItem, MenuSection as AriaMenuSection, MenuTrigger } from "react-aria-components/Menu";
import { Popover } from "react-aria-components/Popover";
import { Separator } from "react-aria-components/Separator";
import { cx, popoverClass } from "./cx";

export function Menu({ trigger, label, openAtOnce, children }: { trigger: ReactElement; label: string; openAtOnce?: boolean; children: ReactNode }) {
  return (
    <MenuTrigger defaultOpen={openAtOnce}>
      {trigger}
      <Popover placement="bottom end" className={cx(popoverClass, "min-w-52 p-1.5")}>
        <AriaMenu aria-label={label} className="max-h-[70dvh] overflow-auto outline-none">
          {children}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}

interface ItemProps {
  icon?: ReactNode;
  danger?: boolean;
  disabled?: boolean;
  href?: string;
  onAction?: () => void;
  children: string;
}

export function MenuItem({ icon, danger, disabled, href, onAction, children }: ItemProps) {
  return (
    <AriaMenuItem
      onAction={onAction}
      href={href}
      isDisabled={disabled}
      textValue={children}
      className={cx(
        "flex min-h-9 pointer-coarse:min-h-11 cursor-pointer items-center gap-2.5 rounded-md px-2.5 text-base outline-none data-[focused]:bg-hover data-[disabled]:opacity-50 [&_svg]:size-4",
        danger ? "text-bad" : "text-text",
      )}
    >
      {icon}
      <span className="grow">{children}</span>
    </AriaMenuItem>
  );
}

export function MenuChoice({ id, children }: { id: string; children: string }) {
  return (
    <AriaMenuItem id={id} textValue={children} className="flex min-h-9 pointer-coarse:min-h-11 cursor-pointer items-center gap-2.5 rounded-md px-2.5 outline-none data-[focused]:bg-hover">
      {({ isSelected }) => (
        <>
          <span aria-hidden className={cx("size-2 rounded-full", isSelected ? "bg-accent" : "border border-line-strong")} />
          {children}
        </>
      )}
    </AriaMenuItem>
  );
}

export function MenuChoices({ title, value, onChange, children }: { title: string; value: string; onChange: (value: string) => void; children: ReactNode }) {
  return (
    <AriaMenuSection selectionMode="single" disallowEmptySelection selectedKeys={[value]} onSelectionChange={(keys) => onChange(String([...keys][0]))}>
      <Header className="px-2.5 pt-2 pb-1 text-xs font-medium text-muted">{title}</Header>
      {children}
    </AriaMenuSection>
  );
}

export const MenuSeparator = () => <Separator className="my-1.5 h-px bg-line" />;
