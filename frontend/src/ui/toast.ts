import { asProblem, detailsOf } from "../api/problem";

type Show = (typeof import("sonner"))["toast"];

let want: (() => void) | null = null;
let wanted = false;
let mounted: () => void = () => undefined;
const ready = new Promise<void>((resolve) => (mounted = resolve));

/** The shell says how the toaster is put on the page; that happens with the first message, not before. */
export function onFirstToast(mount: () => void): void {
  want = mount;
  if (wanted) mount();
}

export const toasterMounted = (): void => mounted();

async function later(show: (toast: Show) => unknown): Promise<void> {
  wanted = true;
  want?.();
  const [{ toast: sonner }] = await Promise.all([import("sonner"), ready]);
  show(sonner);
}

export const toast = {
  done: (message: string): void => void later((show) => show.success(message)),
  undo: (message: string, undo: () => void): void => void later((show) => show(message, { action: { label: "Undo", onClick: undo }, duration: 8000 })),
  /** For actions with no form to hold the message. */
  failed: (error: unknown): void => {
    const problem = asProblem(error);
    const copy = problem.requestId && "clipboard" in navigator ? { label: "Copy details", onClick: () => void navigator.clipboard.writeText(detailsOf(problem)) } : undefined;
    void later((show) => show.error(problem.title, { description: problem.detail ?? undefined, action: copy, duration: 10_000 }));
  },
};
