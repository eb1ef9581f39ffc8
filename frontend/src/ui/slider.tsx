import { Slider as AriaSlider, SliderThumb, SliderTrack } from "react-aria-components/Slider";
import { cx } from "./cx";

interface Props {
  label: string;
  value: number;
  onChange: (value: number) => void;
  disabled?: boolean;
  className?: string;
}

/** A share of a hundred; arrow keys move it by one, Page Up and Page Down by ten. */
export function PercentSlider({ label, value, onChange, disabled, className }: Props) {
  return (
    <AriaSlider aria-label={label} value={value} onChange={onChange} minValue={0} maxValue={100} step={1} isDisabled={disabled} className={cx("w-full", className)}>
      <SliderTrack className="relative flex h-11 w-full cursor-pointer items-center">
        {({ state }) => (
          <>
            <span aria-hidden className="h-1.5 w-full rounded-full border border-line-strong bg-sunken" />
            <span aria-hidden className="absolute h-1.5 rounded-full bg-accent" style={{ width: `${state.getThumbPercent(0) * 100}%` }} />
            <SliderThumb className="top-1/2 size-5 rounded-full border-2 border-accent bg-solid data-[disabled]:opacity-55 data-[dragging]:bg-accent data-[focus-visible]:outline-2 data-[focus-visible]:outline-offset-2 data-[focus-visible]:outline-accent" />
          </>
        )}
      </SliderTrack>
    </AriaSlider>
  );
}
