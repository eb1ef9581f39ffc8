import { useBlocker } from "@tanstack/react-router";
import { useState } from "react";
import { Button } from "./button";
import { Dialog } from "./dialog";

/** Asks before unsaved work is left behind, inside the app and when the tab is closed; with `onSave` it can be saved on the way. */
export function LeaveGuard({ dirty, onSave }: { dirty: boolean; onSave?: () => Promise<unknown> }) {
  const [saving, setSaving] = useState(false);
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => dirty && current.pathname !== next.pathname,
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  if (blocker.status !== "blocked") return null;
  const saveAndLeave = async () => {
    setSaving(true);
    const saved = await onSave?.().then(() => true, () => false);
    setSaving(false);
    if (saved) blocker.proceed();
    else blocker.reset(); // the page says why it could not be saved
  };
  return (
    <Dialog
      title="Leave without saving?"
      open
      role="alertdialog"
      onClose={() => blocker.reset()}
      footer={
        <>
          <Button onPress={() => blocker.reset()} autoFocus>
            Stay
          </Button>
          <Button variant="danger" onPress={() => blocker.proceed()}>
            Discard changes
          </Button>
          {onSave && (
            <Button variant="primary" isPending={saving} onPress={() => void saveAndLeave()}>
              Save and leave
            </Button>
          )}
        </>
      }
    >
      <p className="text-md">What you changed on this page has not been saved.</p>
    </Dialog>
  );
}
