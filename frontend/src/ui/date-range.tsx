import { useEffect, useRef, useState } from "react";
import { instantIn, localZone, wallIn } from "../lib/zones";
import { useNow } from "../lib/hooks";
import { TextField } from "./field";
import { Select } from "./select";

const DAY_MS = 86_400_000;
const spans = [
  { id: "any", label: "Any time" },
  { id: "1", label: "Last 24 hours" },
  { id: "7", label: "Last 7 days" },
  { id: "30", label: "Last 30 days" },
  { id: "range", label: "From … to …" },
];

export interface Span {
  /** Instants (ISO 8601); the end is not in it. */
  since?: string;
  until?: string;
}

/** A time filter: a span that ends now, or from one time to another. */
export function DateRange({ value, onChange }: { value: Span; onChange: (span: Span) => void }) {
  const now = useNow();
  const preset = value.until ? undefined : spans.find((entry) => value.since && Number(entry.id) && Math.abs(now - Number(entry.id) * DAY_MS - Date.parse(value.since)) < DAY_MS / 2)?.id;
  const [isFree, setFree] = useState(Boolean(value.until) || (Boolean(value.since) && !preset));
  const [round, setRound] = useState(0);
  const current = spelt(value);
  const told = useRef(current);
  const tell = (span: Span) => {
    told.current = spelt(span);
    onChange(span);
  };
  useEffect(() => {
    if (current === told.current) return; // changed from outside: another address, or every filter taken away
    told.current = current;
    setFree(false);
    setRound((old) => old + 1);
  }, [current]);
  const choose = (id: string) => {
    setFree(id === "range");
    if (id === "any") tell({ since: undefined, until: undefined });
    else if (id !== "range") tell({ since: new Date(Date.now() - Number(id) * DAY_MS).toISOString(), until: undefined });
  };
  return (
    <>
      <Select label="Time" bare value={isFree || value.until ? "range" : (preset ?? (value.since ? "range" : "any"))} onChange={choose} options={spans} />
      {(isFree || value.until) && <Bounds key={round} value={value} onChange={tell} />}
    </>
  );
}

function Bounds({ value, onChange }: { value: Span; onChange: (span: Span) => void }) {
  const [from, setFrom] = useState(wall(value.since));
  const [to, setTo] = useState(wall(value.until));
  const backwards = from !== "" && to !== "" && to <= from;
  const change = (next: { from: string; to: string }) => {
    setFrom(next.from);
    setTo(next.to);
    if (next.from === "" || next.to === "" || next.from < next.to) onChange({ since: instant(next.from), until: instant(next.to) });
  };
  return (
    <div className="grid gap-3 sm:col-span-full sm:max-w-xl sm:grid-cols-2">
      <TextField label="From" type="datetime-local" value={from} onChange={(text) => change({ from: text, to })} hint={`Your time, ${localZone()}. Empty: from the beginning.`} />
      <TextField label="Until before" type="datetime-local" value={to} onChange={(text) => change({ from, to: text })} hint="Empty: up to now." error={backwards ? "It must be later than the beginning." : undefined} />
    </div>
  );
}

const spelt = ({ since, until }: Span): string => `${since ?? ""} ${until ?? ""}`;
const wall = (at?: string): string => (at ? wallIn(localZone(), new Date(at)) : "");
const instant = (local: string): string | undefined => (local ? instantIn(localZone(), local).toISOString() : undefined);
