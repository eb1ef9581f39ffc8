import { plural } from "../../lib/format";

interface Attempts {
  failed: number;
  crashed: number;
  taken_over: number;
}

/** "failed 3 times, crashed once": why it was tried so often, each way counted apart. */
export function attemptsText({ failed, crashed, taken_over: takenOver }: Attempts): string {
  const parts = [
    failed > 0 && `failed ${times(failed)}`,
    crashed > 0 && `crashed its consumer ${times(crashed)}`,
    takenOver > 0 && `taken over ${times(takenOver)}`,
  ].filter(Boolean);
  return parts.join(", ") || "not tried yet";
}

const times = (value: number): string => (value === 1 ? "once" : plural(value, "time"));

/** The message of an error without its driver's name in front and the statement behind, which may hold somebody's values. */
export const shortError = ({ error, error_class: errorClass }: { error: string; error_class: string }): string =>
  error.replace(/^\([\w.]+\)\s*/, "").split("\n")[0]!.replace(/\s*\[SQL:.*$/, "") || errorClass;
