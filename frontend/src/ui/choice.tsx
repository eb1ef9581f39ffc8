import type { ReactNode } from "react";
import { FieldError } from "react-aria-components/FieldError";
import { Label } from "react-aria-components/Label";
import { Radio, RadioGroup } from "react-aria-components/RadioGroup";
import { cx } from "./cx";

interface Choice<T extends string> {
  id: T;
  label: string;
  hint?: ReactNode;
  disabled?: boolean;
}

interface Props<T extends string> {
  label: string;
  value: T | null;
  onChange: (value: T) => void;
  options: Choice<T>[];
  className?: string;
  error?: string;
}

/** One of a few, each with a sentence about what it means. */
export function RadioCards<T extends string>({ label, value, onChange, options, className, error }: Props<T>) {
  return (
    <RadioGroup isInvalid={Boolean(error)} validationBehavior="aria" value={value} onChange={(next) => onChange(next as T)} className={cx("grid gap-1.5", className)}>
      <Label className="text-sm font-medium">{label}</Label>
      <div className="grid gap-2 sm:grid-cols-[repeat(auto-fit,minmax(13rem,1fr))]">
        {options.map((option) => (
          <Radio
            key={option.id}
            value={option.id}
            isDisabled={option.disabled}
            className="group flex cursor-pointer gap-3 rounded-md border border-line-strong bg-solid px-3 py-2.5 transition-colors hover:bg-sunken data-[disabled]:opacity-55 data-[selected]:border-accent data-[selected]:bg-accent-soft data-[selected]:outline data-[selected]:outline-accent"
          >
            <span aria-hidden className="mt-1 size-3.5 shrink-0 rounded-full border border-line-strong group-data-[selected]:border-4 group-data-[selected]:border-accent" />
            <span className="min-w-0">
              <span className="block font-medium wrap-anywhere">{option.label}</span>
              {option.hint && <span className="block text-xs text-muted wrap-anywhere">{option.hint}</span>}
            </span>
          </Radio>
        ))}
      </div>
      {error && <FieldError className="text-xs font-medium text-bad">{error}</FieldError>}
    </RadioGroup>
  );
}

/** One of a few short words, side by side. */
export function Segmented<T extends string>({ label, value, onChange, options, className }: Props<T>) {
  return (
    <RadioGroup aria-label={label} value={value} onChange={(next) => onChange(next as T)} orientation="horizontal" className={cx("flex w-fit max-w-full flex-wrap gap-0.5 rounded-md border border-line-strong bg-sunken p-0.5", className)}>
      {options.map((option) => (
        <Radio
          key={option.id}
          value={option.id}
          className="flex min-h-8 pointer-coarse:min-h-10 cursor-pointer items-center rounded-[7px] px-3 text-sm font-medium text-muted transition-colors hover:text-text data-[selected]:bg-accent data-[selected]:text-on-accent"
        >
          {option.label}
        </Radio>
      ))}
    </RadioGroup>
  );
}
