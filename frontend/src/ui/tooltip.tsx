import type { ReactElement } from "react";
import { Tooltip as AriaTooltip, TooltipTrigger } from "react-aria-components/Tooltip";

/** A short name for an icon; it never carries anything a person needs. */
export function Tooltip({ text, children }: { text: string; children: ReactElement }) {
  return (
    <TooltipTrigger delay={500} closeDelay={80}>
      {children}
      <AriaTooltip offset={6} className="fade-in max-w-64 rounded-md border border-line bg-solid px-2.5 py-1.5 text-xs text-text shadow-card">
        {text}
      </AriaTooltip>
    </TooltipTrigger>
  );
}
