import { toast as show } from "sonner";
import { asProblem } from "../api/problem";

export const toast = {
  done: (message: string) => show.success(message),
  undo: (message: string, undo: () => void) => show(message, { action: { label: "Undo", onClick: undo }, duration: 8000 }),
  /** For actions with no form to hold the message. */
  failed: (error: unknown) => {
    const problem = asProblem(error);
    show.error(problem.title, { description: [problem.detail, problem.requestId && `request ${problem.requestId}`].filter(Boolean).join(" · ") || undefined, duration: 10_000 });
  },
};
