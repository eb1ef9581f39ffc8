import type { ReactElement, ReactNode } from "react";
import { Dialog, DialogTrigger } from "react-aria-components/Dialog";
import { Popover } from "react-aria-components/Popover";
import { cx, popoverClass } from "./cx";

interface Props {
  label: string;
  trigger: ReactElement;
  open: boolean;
  onOpenChange: (open: boolean) => void;
  children: ReactNode;
}

/** A small dialog beside what opened it; Escape or a press elsewhere closes it, and the focus goes back. */
export function PopoverDialog({ label, trigger, open, onOpenChange, children }: Props) {
  return (
    <DialogTrigger isOpen={open} onOpenChange={onOpenChange}>
      {trigger}
      <Popover placement="bottom end" className={cx(popoverClass, "w-[min(26rem,calc(100vw-1.5rem))] overflow-hidden")}>
        <Dialog aria-label={label} className="outline-none">
          {children}
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}
