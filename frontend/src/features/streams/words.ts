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

/** What is wrong with an event's id; nothing with an empty field. */
export const eventIdError = (text: string): string | undefined =>
  text === "" || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
    ? undefined
    : "An event's id is a UUID, such as 019a1f2e-7c1a-7b3e-9d5f-2a4c6e8b0d1f: “Id” on an event's page.";
