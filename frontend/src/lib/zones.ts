let list: { id: string; label: string }[] | null = null;

/** Every IANA time zone the browser knows. */
export function zones(): { id: string; label: string }[] {
  list ??= ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")].map((zone) => ({ id: zone, label: zone }));
  return list;
}

export const localZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Minutes east of UTC that `zone` has at the instant `at`. */
function offsetMinutes(zone: string, at: Date): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(at);
  const part = (type: string) => Number(parts.find((entry) => entry.type === type)?.value ?? 0);
  const wall = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  return Math.round((wall - at.getTime()) / 60_000);
}

/**
 * The instant at which a clock in `zone` shows `local` ("2026-11-20T18:30"). A time that a spring change skips is
 * taken an hour later; of a time that occurs twice in autumn the first is taken.
 */
export function instantIn(zone: string, local: string): Date {
  const naive = new Date(`${local}:00Z`);
  const before = offsetMinutes(zone, new Date(naive.getTime() - 86_400_000));
  const after = offsetMinutes(zone, new Date(naive.getTime() + 86_400_000));
  for (const offset of [before, after]) {
    const guess = new Date(naive.getTime() - offset * 60_000);
    if (offsetMinutes(zone, guess) === offset) return guess;
  }
  return new Date(naive.getTime() - before * 60_000);
}

/** How `at` reads on a clock in `zone`, for a datetime-local field. */
export function wallIn(zone: string, at: Date): string {
  return new Date(at.getTime() + offsetMinutes(zone, at) * 60_000).toISOString().slice(0, 16);
}
