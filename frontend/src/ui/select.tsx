import { Check, ChevronDown } from "lucide-react";
import { Button } from "react-aria-components/Button";
import { ComboBox as AriaComboBox } from "react-aria-components/ComboBox";
import { Input } from "react-aria-components/Input";
import { ListBox, ListBoxItem } from "react-aria-components/ListBox";
import { Popover } from "react-aria-components/Popover";
import { Select as AriaSelect, SelectValue } from "react-aria-components/Select";
import { cx, popoverClass } from "./cx";
import { FieldNotes, LabelText, type FieldProps } from "./field";

export interface Option<T extends string = string> {
  id: T;
  label: string;
  hint?: string;
}

interface SelectProps<T extends string = string> extends Omit<FieldProps, "label"> {
  label: string;
  /** Hides the label from sight (it stays for assistive technology). */
  bare?: boolean;
  value: T | null;
  onChange: (value: T) => void;
  options: readonly Option<T>[];
  placeholder?: string;
  disabled?: boolean;
}

const itemClass =
  "flex min-h-9 pointer-coarse:min-h-11 cursor-pointer items-center gap-2 rounded-md px-2.5 py-1.5 outline-none data-[focused]:bg-hover data-[selected]:font-medium";

function OptionRow({ option, selected }: { option: Option; selected: boolean }) {
  return (
    <>
      <span className="min-w-0 grow">
        <span className="block wrap-anywhere">{option.label}</span>
        {option.hint && <span className="block text-xs font-normal text-muted">{option.hint}</span>}
      </span>
      {selected && <Check aria-hidden className="size-4 shrink-0 text-accent" />}
    </>
  );
}

export function Select<T extends string>({ label, bare, hint, error, required, className, value, onChange, options, placeholder = "Choose", disabled }: SelectProps<T>) {
  return (
    <AriaSelect
      aria-label={bare ? label : undefined}
      value={value}
      onChange={(key) => key !== null && onChange(String(key) as T)}
      isInvalid={Boolean(error)}
      isDisabled={disabled}
      isRequired={required}
      validationBehavior="aria"
      placeholder={placeholder}
      className={cx("grid min-w-0 content-start gap-1.5", className)}
    >
      {!bare && <LabelText label={label} required={required} />}
      <Button className={cx("field flex items-center gap-2 text-left", error && "border-bad")}>
        <SelectValue className="min-w-0 grow truncate data-[placeholder]:text-muted [&_.text-xs]:hidden" />
        <ChevronDown aria-hidden className="size-4 shrink-0 text-muted" />
      </Button>
      <FieldNotes hint={hint} error={error} />
      <Popover className={cx(popoverClass, "min-w-(--trigger-width) p-1.5")}>
        <ListBox items={options} className="max-h-72 overflow-auto outline-none">
          {(option: Option) => (
            <ListBoxItem textValue={option.label} className={itemClass}>
              {({ isSelected }) => <OptionRow option={option} selected={isSelected} />}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

interface ComboProps extends SelectProps {
  /** Lets the typed text itself be the value; the ids are then the labels. */
  free?: boolean;
  /** Given when the options come from the server: they are shown as they are, and typing is reported. */
  onSearch?: (text: string) => void;
}

export function ComboBox({ label, bare, hint, error, required, className, value, onChange, options, placeholder, free, onSearch, disabled }: ComboProps) {
  const known = options.some((option) => option.id === value);
  return (
    <AriaComboBox
      aria-label={bare ? label : undefined}
      {...(onSearch ? { items: options } : { defaultItems: options })}
      value={known ? value : null}
      {...(free ? { inputValue: value ?? "" } : {})}
      onChange={(key) => {
        if (key !== null) onChange(String(key));
        else if (!free) onChange("");
      }}
      onInputChange={(text) => {
        onSearch?.(text);
        if (free) onChange(text);
      }}
      allowsCustomValue={free}
      allowsEmptyCollection={Boolean(onSearch)}
      menuTrigger="focus"
      isInvalid={Boolean(error)}
      isRequired={required}
      isDisabled={disabled}
      validationBehavior="aria"
      className={cx("grid min-w-0 content-start gap-1.5", className)}
    >
      {!bare && <LabelText label={label} required={required} />}
      <div className="relative">
        <Input placeholder={placeholder} className="field pr-9" />
        <Button className="absolute top-1/2 right-1 grid size-8 -translate-y-1/2 place-items-center rounded-md text-muted">
          <ChevronDown aria-hidden className="size-4" />
        </Button>
      </div>
      <FieldNotes hint={hint} error={error} />
      <Popover className={cx(popoverClass, "min-w-(--trigger-width) p-1.5")}>
        <ListBox className="max-h-72 overflow-auto outline-none" renderEmptyState={() => <p className="px-2.5 py-2 text-sm text-muted">No results.</p>}>
          {(option: Option) => (
            <ListBoxItem id={option.id} textValue={option.label} className={itemClass}>
              {({ isSelected }) => <OptionRow option={option} selected={isSelected} />}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaComboBox>
  );
}
