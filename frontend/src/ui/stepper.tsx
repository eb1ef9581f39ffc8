import { Check } from "lucide-react";
import { cx } from "./cx";

interface Props<T extends string> {
  label: string;
  steps: { id: T; label: string }[];
  current: T;
  /** Steps that may be opened from here; without it the rail only shows where one is. */
  onOpen?: (id: T) => void;
  reached?: (id: T) => boolean;
  /** Every step is done. */
  finished?: boolean;
}

export function Stepper<T extends string>({ label, steps, current, onOpen, reached, finished }: Props<T>) {
  const at = finished ? steps.length : steps.findIndex((step) => step.id === current);
  return (
    <nav aria-label={label} className="mb-5">
      <ol className="flex flex-wrap gap-x-2 gap-y-2 sm:gap-x-3">
        {steps.map((step, index) => {
          const done = index < at;
          const open = onOpen && reached?.(step.id) !== false && index !== at;
          const body = (
            <>
              <span className={cx("grid size-6 shrink-0 place-items-center rounded-full border text-xs font-semibold", index === at ? "border-accent bg-accent text-on-accent" : done ? "border-ok/50 bg-ok-soft text-ok" : "border-line-strong text-muted")}>
                {done ? <Check aria-label="Done" className="size-3.5" /> : index + 1}
              </span>
              <span className={cx("whitespace-nowrap", index === at ? "font-semibold" : "text-muted max-sm:sr-only")}>{step.label}</span>
            </>
          );
          const look = "flex min-h-9 items-center gap-2 rounded-md pr-2 pointer-coarse:min-h-11";
          return (
            <li key={step.id} className="flex items-center gap-2 sm:gap-3" aria-current={index === at ? "step" : undefined}>
              {open ? (
                <button type="button" className={cx(look, "hover:bg-hover")} onClick={() => onOpen(step.id)}>
                  {body}
                </button>
              ) : (
                <span className={look}>{body}</span>
              )}
              {index < steps.length - 1 && <span aria-hidden className="h-px w-4 bg-line-strong/50 sm:w-8" />}
            </li>
          );
        })}
      </ol>
    </nav>
  );
}
