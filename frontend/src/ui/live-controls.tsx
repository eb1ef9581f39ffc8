import { Pause, Play } from "lucide-react";
import { setPaused, useLiveState } from "../realtime/client";
import { Button } from "./button";
import { Freshness } from "./states";
import { count } from "../lib/format";

/** Age of the figures and the way to make them stand still. */
export function LiveControls({ at }: { at: number }) {
  const live = useLiveState();
  return (
    <>
      <Freshness at={at} />
      <Button size="sm" variant="ghost" icon={live.paused ? <Play aria-hidden /> : <Pause aria-hidden />} onPress={() => setPaused(!live.paused)}>
        {live.paused ? (live.waiting > 0 ? `Resume updates · ${count(live.waiting)} waiting` : "Resume updates") : "Pause updates"}
      </Button>
    </>
  );
}
