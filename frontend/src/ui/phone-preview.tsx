import { Fragment, type ReactNode } from "react";
import type { Channel } from "../api/types";
import { runs, type Run } from "../lib/whatsapp";
import { cx } from "./cx";

/** The message as the person will see it; solid ground, never glass, so that its contrast is its own. */
export function PhonePreview({ channel, text, sender, recipient, pending, short }: { channel: Channel; text: string; sender?: string; recipient?: string; pending?: boolean; short?: boolean }) {
  const whatsapp = channel === "whatsapp";
  return (
    <figure className="relative mx-auto w-full max-w-[300px] rounded-[34px] border-[9px] border-[#1b2236] bg-[#1b2236] shadow-card">
      <div className={cx("flex flex-col overflow-hidden rounded-[25px]", short ? "min-h-[240px]" : "h-[460px]", whatsapp ? "bg-[#efe7dd] text-[#111b21]" : "bg-white text-[#0f172a]")}>
        <div className={cx("flex items-center gap-2.5 px-4 pt-5 pb-3 text-sm font-medium", whatsapp ? "bg-[#075e54] text-white" : "border-b border-[#dfe3ec] bg-[#f4f6fc]")}>
          <span aria-hidden className={cx("grid size-8 place-items-center rounded-full text-xs", whatsapp ? "bg-white/20" : "bg-[#dfe3ec]")}>
            {(sender ?? "ES").slice(0, 2).toUpperCase()}
          </span>
          <span className="min-w-0 truncate">{sender ?? (whatsapp ? "Your business" : "Your number")}</span>
        </div>
        <div className="min-h-0 grow overflow-auto p-3" tabIndex={0} role="region" aria-label={recipient ? `Message to ${recipient}` : "Message preview"}>
          <div
            className={cx(
              "w-fit max-w-[92%] rounded-2xl px-3 py-2 text-base whitespace-pre-wrap wrap-anywhere transition-opacity",
              whatsapp ? "rounded-tl-sm bg-white shadow-sm" : "rounded-bl-sm bg-[#e8ebf3]",
              pending && "opacity-60",
            )}
          >
            {text === "" ? <span className="text-[#5b6475]">Write a message to see it here.</span> : linked(text, whatsapp)}
          </div>
        </div>
      </div>
      <figcaption className="sr-only">Preview of the {whatsapp ? "WhatsApp" : "SMS"} message</figcaption>
    </figure>
  );
}

/** Web addresses look like links, as a phone shows them; they do nothing here. */
function linked(text: string, whatsapp: boolean): ReactNode[] {
  return text.split(/(https?:\/\/\S+)/g).map((part, index) =>
    part.startsWith("http") ? (
      <span key={index} className="text-[#0b57c2] underline">
        {part}
      </span>
    ) : whatsapp ? (
      <Fragment key={index}>{typed(runs(part))}</Fragment>
    ) : (
      part
    ),
  );
}

const tags = { bold: "strong", italic: "em", struck: "s", fixed: "code" } as const;

function typed(parts: Run[]): ReactNode[] {
  return parts.map((part, index) => {
    if (part.style === null) return part.text;
    const Tag = tags[part.style];
    return <Tag key={index}>{part.inner.length > 0 ? typed(part.inner) : part.text}</Tag>;
  });
}
