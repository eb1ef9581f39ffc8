import { X } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Dialog as AriaDialog } from "react-aria-components/Dialog";
import { Heading } from "react-aria-components/Heading";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { Button, IconButton } from "./button";
import { cx } from "./cx";
import { Problems } from "./states";

interface DialogProps {
  title: string;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
  /** Shown in a bar at the bottom; on phones it stays in reach. */
  footer?: ReactNode;
  wide?: boolean;
  role?: "dialog" | "alertdialog";
}

const overlay = "fade-in fixed inset-0 z-50 flex bg-[var(--scrim)]";

export function Dialog({ title, open, onClose, children, footer, wide, role }: DialogProps) {
  return (
    <ModalOverlay isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable={role !== "alertdialog"} className={cx(overlay, "items-end justify-center sm:items-center sm:p-6")}>
      <Modal
        className={cx(
          "glass-2 flex max-h-[92dvh] w-full flex-col overflow-hidden rounded-t-lg border border-line shadow-card max-sm:animate-[slide-up_160ms_ease-out] sm:pop-in sm:rounded-lg",
          wide ? "sm:max-w-3xl" : "sm:max-w-lg",
        )}
      >
        <AriaDialog role={role} className="flex min-h-0 flex-col outline-none">
          <div className="flex items-center justify-between gap-4 border-b border-line py-3 pr-3 pl-5">
            <Heading slot="title" className="text-lg font-semibold">
              {title}
            </Heading>
            <IconButton label="Close" onPress={onClose}>
              <X />
            </IconButton>
          </div>
          <div className="min-h-0 overflow-auto px-5 py-4">{children}</div>
          {footer && <div className="flex flex-wrap justify-end gap-2 border-t border-line px-5 py-3 max-sm:[&>*]:grow">{footer}</div>}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

interface ConfirmProps {
  title: string;
  open: boolean;
  onClose: () => void;
  /** Runs the action; its rejection is shown in the dialog, which stays open. */
  onConfirm: () => Promise<unknown>;
  action: string;
  /** What leaves all as it is; where the action itself cancels something, "Cancel" would be taken for it. */
  dismiss?: string;
  danger?: boolean;
  children: ReactNode;
}

export function ConfirmDialog({ title, open, onClose, onConfirm, action, dismiss = "Cancel", danger, children }: ConfirmProps) {
  const [pending, setPending] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setError(null);
    onClose();
  };
  const confirm = async () => {
    setPending(true);
    setError(null);
    try {
      await onConfirm();
      close();
    } catch (reason) {
      setError(reason);
    } finally {
      setPending(false);
    }
  };
  return (
    <Dialog
      title={title}
      open={open}
      onClose={close}
      role="alertdialog"
      footer={
        <>
          <Button onPress={close}>{dismiss}</Button>
          <Button variant={danger ? "danger" : "primary"} isPending={pending} onPress={confirm} autoFocus={!danger}>
            {action}
          </Button>
        </>
      }
    >
      <div className="grid gap-3 text-md">{children}</div>
      {error !== null && <Problems error={error} className="mt-4" />}
    </Dialog>
  );
}

export function Drawer({ title, open, onClose, side = "right", children }: { title: string; open: boolean; onClose: () => void; side?: "left" | "right"; children: ReactNode }) {
  return (
    <ModalOverlay isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable className={cx(overlay, side === "right" ? "justify-end" : "justify-start")}>
      <Modal className={cx("glass-2 h-dvh w-full border-line shadow-card", side === "left" ? "max-w-72 animate-[slide-left_160ms_ease-out] border-r" : "fade-in max-w-lg border-l")}>
        <AriaDialog aria-label={title} className="flex h-full flex-col outline-none">
          {side === "right" && (
            <div className="flex items-center justify-between border-b border-line py-3 pr-3 pl-5">
              <Heading slot="title" className="text-lg font-semibold">
                {title}
              </Heading>
              <IconButton label="Close" onPress={onClose}>
                <X />
              </IconButton>
            </div>
          )}
          <div className="min-h-0 grow overflow-auto">{children}</div>
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}
