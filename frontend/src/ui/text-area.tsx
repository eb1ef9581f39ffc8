import { TextArea as AriaTextArea } from "react-aria-components/TextArea";
import { TextField as AriaTextField } from "react-aria-components/TextField";
import { cx } from "./cx";
import { FieldNotes, LabelText, type FieldProps } from "./field";

interface Props extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  rows?: number;
  placeholder?: string;
}

export function TextArea({ label, hint, error, required, className, value, onChange, rows = 3, placeholder }: Props) {
  return (
    <AriaTextField value={value} onChange={onChange} isInvalid={Boolean(error)} isRequired={required} validationBehavior="aria" className={cx("grid content-start gap-1.5", className)}>
      <LabelText label={label} required={required} />
      <AriaTextArea rows={rows} placeholder={placeholder} className="field resize-y" />
      <FieldNotes hint={hint} error={error} />
    </AriaTextField>
  );
}
