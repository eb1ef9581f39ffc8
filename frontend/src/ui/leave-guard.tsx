import { useBlocker } from "@tanstack/react-router";
import { Button } from "./button";
import { Dialog } from "./dialog";

/** Asks before unsaved work is left behind, inside the app and when the tab is closed. */
export function LeaveGuard({ dirty }: { dirty: boolean }) {
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => dirty && current.pathname !== next.pathname,
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  if (blocker.status !== "blocked") return null;
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
        </>
      }
    >
      <p className="text-md">What you changed on this page has not been saved.</p>
    </Dialog>
  );
}
