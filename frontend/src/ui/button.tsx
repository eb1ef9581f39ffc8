import type { ReactNode } from "react";
import { Button as AriaButton, type ButtonProps as AriaButtonProps } from "react-aria-components/Button";
import { useLacks } from "../lib/permissions";
import type { Permission } from "../api/types";
import { cx } from "./cx";

export type Variant = "primary" | "secondary" | "ghost" | "danger";
export type Size = "sm" | "md";

const variants: Record<Variant, string> = {
  primary: "bg-accent text-on-accent border-transparent hover:brightness-110 data-[pressed]:brightness-95",
  secondary: "bg-solid text-text border-line-strong hover:bg-sunken data-[pressed]:bg-hover",
  ghost: "bg-transparent text-text border-transparent hover:bg-hover data-[pressed]:bg-hover",
  danger: "bg-solid text-bad border-bad hover:bg-bad-soft data-[pressed]:bg-bad-soft",
};
const sizes: Record<Size, string> = {
  sm: "min-h-9 px-3 text-sm pointer-coarse:min-h-11",
  md: "min-h-10 px-4 text-base pointer-coarse:min-h-11",
};

/** The look of a button, for links that act like one. */
export const buttonClass = (variant: Variant = "secondary", size: Size = "md", extra?: string): string =>
  cx(
    "inline-flex items-center justify-center gap-2 rounded-md border font-medium whitespace-nowrap select-none transition-[background-color,filter] duration-100",
    "disabled:opacity-55 data-[disabled]:opacity-55 data-[pending]:opacity-80 [&_svg]:size-4 [&_svg]:shrink-0",
    variants[variant],
    sizes[size],
    extra,
  );

export interface ButtonProps extends Omit<AriaButtonProps, "className" | "children" | "style"> {
  variant?: Variant;
  size?: Size;
  className?: string;
  icon?: ReactNode;
  children?: ReactNode;
  /** Without this permission it is not shown; the page says in words what the person may not do. */
  needs?: Permission;
}

export function Button({ variant, size, className, icon, children, isPending, needs, isDisabled, ...props }: ButtonProps) {
  if (useLacks(needs) !== null) return null;
  return (
    <AriaButton {...props} isDisabled={isDisabled} isPending={isPending} className={buttonClass(variant, size, className)}>
      {isPending ? <Spinner /> : icon}
      {children}
    </AriaButton>
  );
}

/** The label is its accessible name, and shows as a tip on hover and keyboard focus (see `[data-tip]` in app.css). */
export function IconButton({ label, className, children, needs, isDisabled, ...props }: Omit<ButtonProps, "icon"> & { label: string }) {
  if (useLacks(needs) !== null) return null;
  return (
    <AriaButton
      {...props}
      isDisabled={isDisabled}
      aria-label={label}
      data-tip={label}
      className={cx(
        "inline-flex size-9 shrink-0 items-center justify-center rounded-md border border-transparent text-muted pointer-coarse:size-11 hover:bg-hover hover:text-text data-[pressed]:bg-hover data-[disabled]:opacity-50 [&_svg]:size-[18px]",
        className,
      )}
    >
      {children}
    </AriaButton>
  );
}

export function Spinner() {
  return <span aria-hidden className="size-4 animate-spin rounded-full border-2 border-current border-r-transparent" />;
}
