/** Numbers, times and sizes as people read them; every function is pure. */

const integer = new Intl.NumberFormat("en-US");
const compactNumber = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value: number): string => integer.format(value);

/** 12,345 stays exact below 100,000; above it becomes 1.2M-like, where the exact figure is in the title. */
export const compact = (value: number): string => (Math.abs(value) < 100_000 ? integer.format(value) : compactNumber.format(value));

/** `null` means "not known" and is never shown as zero. */
export function percent(ratio: number | null | undefined, digits = 1): string {
  if (ratio === null || ratio === undefined || Number.isNaN(ratio)) return "–";
  const shown = (ratio * 100).toFixed(digits);
  if (ratio < 1 && Number(shown) >= 100) return `99.${"9".repeat(Math.max(1, digits))} %`;
  return `${shown.replace(/\.0+$/, "")} %`;
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A rate: "1 message/s", "20 messages/s". */
export const perSecond = (rate: number): string => `${plural(rate, "message")}/s`;

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  const units = ["KB", "MB", "GB"];
  let value = size / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Seconds as "2 h 05 min"; sub-second values keep one decimal. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (minutes === 24 * 60) return "1 day";
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.round(hours / 24)} days`;
}

/** "3 s ago", "in 5 min"; anything older than a week becomes a date. */
export function ago(at: string | number | Date, now = Date.now()): string {
  const elapsed = (now - new Date(at).getTime()) / 1000;
  const past = elapsed >= 0;
  const value = Math.abs(elapsed);
  if (value < 2) return "just now";
  if (value > 7 * 86_400) return date(at);
  const text = value < 60 ? `${Math.round(value)} s` : value < 3600 ? `${Math.round(value / 60)} min` : value < 86_400 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86_400)} d`;
  return past ? `${text} ago` : `in ${text}`;
}

/** How the viewer writes times. The words stay English, as the interface is; the order of day and month and the 12 or 24 hours are theirs. */
export function timesFor(viewer: string, timeZone?: string) {
  const english = viewer.startsWith("en") ? viewer : "en-GB";
  const isTwelve = new Intl.DateTimeFormat(viewer, { hour: "numeric" }).resolvedOptions().hour12 === true;
  const day = { day: "numeric", month: "short" } as const;
  const clock = { hour: isTwelve ? "numeric" : "2-digit", minute: "2-digit", hourCycle: isTwelve ? "h12" : "h23" } as const;
  const as = (options: Intl.DateTimeFormatOptions) => {
    const format = new Intl.DateTimeFormat(english, { timeZone, ...options });
    return (at: string | number | Date): string => format.format(new Date(at));
  };
  return {
    english,
    dateTime: as({ ...day, year: "numeric", ...clock, timeZoneName: "short" }),
    date: as({ ...day, year: "numeric" }),
    time: as({ ...clock, second: "2-digit" }),
    dayTime: as({ ...day, ...clock }),
    clockTime: as(clock),
  };
}

const viewers = timesFor(globalThis.navigator?.language || "en-US");

/** The kind of English that the viewer's locale asks for. */
export const locale = viewers.english;
/** A moment with its zone, the viewer's own: what is read here may be about people elsewhere. */
export const dateTime = viewers.dateTime;
export const date = viewers.date;
export const time = viewers.time;
/** A time of the last days: "20 Nov 14:00". */
export const dayTime = viewers.dayTime;
export const clockTime = viewers.clockTime;

/** Turns `opted_out` into "Opted out". */
export function sentence(code: string): string {
  const words = code.replaceAll("_", " ").replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What the server gives in place of what a person may not see. */
export const HIDDEN = "•••";

/** Text as a search compares it: without accents and capitals. */
export const folded = (text: string): string => text.normalize("NFD").replaceAll(/\p{M}/gu, "").toLowerCase();

/** A person in one line: by name and number. The server has masked both for those who may not see them. */
export const personName = ({ phone, name }: { phone: string; name?: string | null }): string => (name && name !== HIDDEN ? `${name}, ${phone}` : phone);
