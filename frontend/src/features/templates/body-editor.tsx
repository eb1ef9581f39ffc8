import { useId, useRef, useState } from "react";
import type { AttributeInfo } from "../../api/types";
import { insertPlaceholder, openPlaceholder, pieces } from "../../lib/placeholders";
import { cx } from "../../ui/cx";

interface Props {
  value: string;
  onChange: (body: string) => void;
  attributes: AttributeInfo[];
  unknown: string[];
  error?: string;
}

/** A plain text area over a painted copy of its text, so placeholders show what they are while one types. */
export function BodyEditor({ value, onChange, attributes, unknown, error }: Props) {
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const paint = useRef<HTMLDivElement>(null);
  const [caret, setCaret] = useState(0);
  const open = openPlaceholder(value, caret);
  const offered = attributes.filter((info) => open === null || info.name.startsWith(open)).slice(0, 12);

  const insert = (name: string) => {
    const next = insertPlaceholder(value, field.current?.selectionStart ?? value.length, name);
    onChange(next.body);
    setCaret(next.caret);
    requestAnimationFrame(() => {
      field.current?.focus();
      field.current?.setSelectionRange(next.caret, next.caret);
    });
  };

  const text = "p-3 font-sans text-md leading-[1.6] whitespace-pre-wrap wrap-anywhere [font-feature-settings:normal]";
  return (
    <div className="grid gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        Message <span className="text-muted">(required)</span>
      </label>
      <div className={cx("relative overflow-hidden rounded-md border bg-solid focus-within:outline-2 focus-within:-outline-offset-1 focus-within:outline-accent", error ? "border-bad" : "border-line-strong")}>
        <div ref={paint} aria-hidden className={cx(text, "pointer-events-none absolute inset-0 overflow-hidden text-transparent")}>
          {pieces(value).map((piece, index) =>
            piece.placeholder ? (
              <mark key={index} className={cx("rounded-[4px] text-transparent", unknown.includes(piece.placeholder) ? "bg-bad-soft outline outline-bad" : "bg-accent-soft outline outline-accent/50")}>
                {piece.text}
              </mark>
            ) : (
              piece.text
            ),
          )}
          {"\n"}
        </div>
        <textarea
          id={id}
          ref={field}
          value={value}
          rows={9}
          required
          aria-invalid={error ? true : undefined}
          aria-describedby={`${id}-notes`}
          spellCheck
          onChange={(event) => {
            onChange(event.target.value);
            setCaret(event.target.selectionStart);
          }}
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
          onScroll={(event) => paint.current?.scrollTo(0, event.currentTarget.scrollTop)}
          className={cx(text, "relative block w-full resize-y bg-transparent !outline-none")}
        />
      </div>
      <div id={`${id}-notes`}>
        <p aria-live="polite" className="text-xs font-medium text-bad">{error}</p>
        <p className="text-xs text-muted">
          {offered.length > 0 ? (open === null ? "Insert a contact’s value:" : "Finish the placeholder:") : open ? `No attribute begins with “${open}”.` : "Import contacts to have attributes to insert."}
        </p>
      </div>
      <div className="flex flex-wrap gap-1.5">
        {offered.map((info) => (
          <button
            key={info.name}
            type="button"
            onClick={() => insert(info.name)}
            title={`For example ${info.sample.slice(0, 3).join(", ")}`}
            className="min-h-7 rounded-full border border-accent/60 bg-accent-soft px-3 text-sm text-accent hover:border-accent pointer-coarse:min-h-11"
          >
            {`{${info.name}}`}
          </button>
        ))}
      </div>
    </div>
  );
}
