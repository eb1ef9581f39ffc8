/** Joins class names and skips what is false. */
export const cx = (...names: (string | false | null | undefined)[]): string => names.filter(Boolean).join(" ");

export const popoverClass = "glass-2 pop-in rounded-lg border border-line shadow-card outline-none";
