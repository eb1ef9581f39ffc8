import { Search, X } from "lucide-react";
import { useEffect, useRef, useState, type ReactNode, type HTMLInputTypeAttribute } from "react";
import { Button as AriaButton } from "react-aria-components/Button";
import { Checkbox as AriaCheckbox } from "react-aria-components/Checkbox";
import { FieldError } from "react-aria-components/FieldError";
import { Input } from "react-aria-components/Input";
import { Label } from "react-aria-components/Label";
import { SearchField as AriaSearchField } from "react-aria-components/SearchField";
import { Switch as AriaSwitch } from "react-aria-components/Switch";
import { Text } from "react-aria-components/Text";
import { TextField as AriaTextField } from "react-aria-components/TextField";
import { cx } from "./cx";
import { useLacks } from "../lib/permissions";
import type { Permission } from "../api/types";
import { useDebounced } from "../lib/hooks";

export interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string;
  required?: boolean;
  className?: string;
}

export function LabelText({ label, required }: { label: string; required?: boolean }) {
  return (
    <Label className="text-sm font-medium">
      {label}
      {required && <span className="text-muted"> (required)</span>}
    </Label>
  );
}

export function FieldNotes({ hint, error }: { hint?: ReactNode; error?: string }) {
  return (
    <>
      {hint && (
        <Text slot="description" className="text-xs text-muted">
          {hint}
        </Text>
      )}
      {error && <FieldError className="text-xs font-medium text-bad">{error}</FieldError>}
    </>
  );
}

interface TextFieldProps extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  type?: HTMLInputTypeAttribute;
  placeholder?: string;
  autoFocus?: boolean;
  autoComplete?: string;
  inputMode?: "numeric" | "decimal" | "tel" | "email" | "text";
  mono?: boolean;
  disabled?: boolean;
  name?: string;
}

export function TextField({ label, hint, error, required, className, value, onChange, type = "text", placeholder, autoFocus, autoComplete, inputMode, mono, disabled, name }: TextFieldProps) {
  return (
    <AriaTextField value={value} onChange={onChange} isInvalid={Boolean(error)} isRequired={required} validationBehavior="aria" autoFocus={autoFocus} isDisabled={disabled} name={name} className={cx("grid content-start gap-1.5", className)}>
      <LabelText label={label} required={required} />
      <Input type={type} placeholder={placeholder} autoComplete={autoComplete} inputMode={inputMode} className={cx("field", mono && "font-mono text-sm")} />
      <FieldNotes hint={hint} error={error} />
    </AriaTextField>
  );
}

interface SearchProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  className?: string;
  /** Without this permission it is disabled, and says why. */
  needs?: Permission;
}

/** A filter box: tells the outside only when typing has stopped, and takes its value back from the address. */
export function SearchField({ label, value, onChange, placeholder, className, needs }: SearchProps) {
  const lacks = useLacks(needs);
  const [draft, setDraft] = useState(value);
  const settled = useDebounced(draft, 220);
  const told = useRef(value);
  useEffect(() => {
    if (settled !== told.current) onChange((told.current = settled));
  }, [settled, onChange]);
  useEffect(() => {
    if (value !== told.current) {
      told.current = value;
      setDraft(value);
    }
  }, [value]);
  return <SearchBox label={label} value={draft} onChange={setDraft} placeholder={lacks === null ? (placeholder ?? label) : "Your role may not search people"} lacks={lacks} className={className} />;
}

interface LookupProps extends Omit<SearchProps, "needs"> {
  /** Enter was pressed, or the field left. */
  onSettle: (value: string) => void;
  error?: string;
}

/** A box that leads to one thing by its name: it says what is wrong with the name, or that nothing is called so. */
export function LookupField({ label, value, onChange, onSettle, placeholder, className, error }: LookupProps) {
  return <SearchBox label={label} value={value} onChange={onChange} onSettle={onSettle} placeholder={placeholder ?? label} className={className} error={error} />;
}

interface BoxProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  onSettle?: (value: string) => void;
  placeholder: string;
  className?: string;
  error?: string;
  lacks?: string | null;
}

function SearchBox({ label, value, onChange, onSettle, placeholder, className, error, lacks = null }: BoxProps) {
  return (
    <AriaSearchField aria-label={label} isDisabled={lacks !== null} isInvalid={Boolean(error)} validationBehavior="aria" value={value} onChange={onChange} onSubmit={onSettle} onBlur={() => onSettle?.(value)} className={cx("group block", className)}>
      <div className="relative">
        <Search aria-hidden className="pointer-events-none absolute top-1/2 left-3 size-4 -translate-y-1/2 text-muted" />
        <Input placeholder={placeholder} title={lacks ?? undefined} data-page-search className="field pr-9 pl-9 [&::-webkit-search-cancel-button]:hidden" />
        <AriaButton className="absolute top-1/2 right-1.5 grid size-7 -translate-y-1/2 place-items-center rounded-md text-muted group-data-[empty]:hidden hover:text-text">
          <X aria-hidden className="size-4" />
        </AriaButton>
      </div>
      {error && <FieldError className="mt-1 block text-xs font-medium text-bad">{error}</FieldError>}
    </AriaSearchField>
  );
}

export function Switch({ checked, onChange, children, hint }: { checked: boolean; onChange: (checked: boolean) => void; children: ReactNode; hint?: ReactNode }) {
  return (
    <AriaSwitch isSelected={checked} onChange={onChange} className="group flex min-h-9 pointer-coarse:min-h-11 cursor-pointer items-start gap-3 rounded-md">
      <span aria-hidden className="mt-0.5 flex h-5 w-9 shrink-0 items-center rounded-full border border-line-strong bg-sunken p-0.5 transition-colors group-data-[selected]:border-accent group-data-[selected]:bg-accent">
        <span className="size-3.5 rounded-full bg-line-strong transition-transform group-data-[selected]:translate-x-4 group-data-[selected]:bg-on-accent" />
      </span>
      <span>
        <span className="block">{children}</span>
        {hint && <span className="block text-xs text-muted">{hint}</span>}
      </span>
    </AriaSwitch>
  );
}

export function Checkbox({ checked, onChange, children }: { checked: boolean; onChange: (checked: boolean) => void; children: ReactNode }) {
  return (
    <AriaCheckbox isSelected={checked} onChange={onChange} className="group flex min-h-9 pointer-coarse:min-h-11 cursor-pointer items-center gap-2.5">
      <span aria-hidden className="grid size-[18px] shrink-0 place-items-center rounded-[5px] border border-line-strong bg-solid text-on-accent group-data-[selected]:border-accent group-data-[selected]:bg-accent">
        <svg viewBox="0 0 12 12" className="size-3 opacity-0 group-data-[selected]:opacity-100" fill="none" stroke="currentColor" strokeWidth="2">
          <path d="M2.5 6.5 5 9l4.5-6" />
        </svg>
      </span>
      {children}
    </AriaCheckbox>
  );
}
