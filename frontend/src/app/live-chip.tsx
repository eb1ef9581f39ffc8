import { Button } from "react-aria-components/Button";
import { setPaused, useLiveState, type LiveState } from "../realtime/client";
import { count } from "../lib/format";
import { useOnline } from "../lib/hooks";
import { cx } from "../ui/cx";

interface Look {
  word: string;
  explain: string;
  look: string;
  pulse?: boolean;
}

function describe(live: LiveState, online: boolean): Look {
  if (!online) return { word: "Offline", explain: "This device is offline; figures may be old. It resumes where it stopped.", look: "text-warn border-warn/50 bg-warn-soft" };
  if (live.paused) return { word: live.waiting > 0 ? `Paused · ${count(live.waiting)}` : "Paused", explain: "Live updates are paused. Press to resume.", look: "text-warn border-warn/50 bg-warn-soft" };
  if (live.status === "live") return { word: "Live", explain: "Connected: changes appear as they happen. Press to pause.", look: "text-ok border-ok/50 bg-ok-soft", pulse: true };
  if (live.status === "connecting" || live.status === "idle") return { word: "Connecting", explain: "Opening the live connection.", look: "text-muted border-line-strong" };
  return { word: "Reconnecting", explain: "The live connection is down; figures may be old. It resumes where it stopped.", look: "text-bad border-bad/50 bg-bad-soft" };
}

/** What may be believed of the figures on the screen, and the switch that makes them stand still. */
export function LiveChip() {
  const live = useLiveState();
  const { word, explain, look, pulse } = describe(live, useOnline());
  return (
      <Button
        data-tip={explain}
        onPress={() => setPaused(!live.paused)}
        aria-pressed={live.paused}
        aria-label={`${word}. ${explain}`}
        className={cx("flex h-7 min-w-0 items-center gap-2 rounded-full border px-3 text-xs font-medium whitespace-nowrap tabular pointer-coarse:h-11", look)}
      >
        <span aria-hidden className={cx("size-1.5 shrink-0 rounded-full bg-current", pulse && "animate-[pulse-dot_2s_ease-out_infinite]")} />
        <span className="min-w-0 truncate">{word}</span>
      </Button>
  );
}
