/** Two people changed one thing: what each changed, and both changes together. */

export interface FieldChange<Draft> {
  name: keyof Draft & string;
  by: "you" | "them" | "both";
}

/** A draft without what only the form knows, such as keys of rows; the same names as the draft has. */
export type Plain<Draft> = (draft: Draft) => { [Name in keyof Draft]: unknown };

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
export const isSame = <Draft extends object>(one: Draft, other: Draft, plain: Plain<Draft>): boolean => same(plain(one), plain(other));

/** The fields in which `mine` and `theirs` differ, and who changed each since both were `base`. */
export function fieldChanges<Draft extends object>(base: Draft, mine: Draft, theirs: Draft, plain: Plain<Draft>): FieldChange<Draft>[] {
  const [was, here, there] = [plain(base), plain(mine), plain(theirs)];
  return (Object.keys(was) as (keyof Draft & string)[])
    .filter((name) => !same(here[name], there[name]))
    .map((name) => ({ name, by: same(was[name], here[name]) ? "them" : same(was[name], there[name]) ? "you" : "both" }));
}

/** My value in every field that I changed, theirs in all others: what they did elsewhere stays. */
export function merged<Draft extends object>(base: Draft, mine: Draft, theirs: Draft, plain: Plain<Draft>): Draft {
  const [was, here] = [plain(base), plain(mine)];
  const names = (Object.keys(was) as (keyof Draft)[]).filter((name) => !same(was[name], here[name]));
  return { ...theirs, ...Object.fromEntries(names.map((name) => [name, mine[name]])) };
}

export interface Piece {
  text: string;
  /** Whether it stands in the first text only, the second only, or both. */
  in: "first" | "second" | "both";
}

const MOST_WORDS = 500;

/** Two texts word by word; texts of more than 500 words are told apart as wholes. */
export function wordDiff(first: string, second: string): Piece[] {
  const words = (text: string): string[] => text.match(/\s+|\S+/g) ?? [];
  const [a, b] = [words(first), words(second)];
  if (a.length > MOST_WORDS || b.length > MOST_WORDS) return first === second ? [{ text: first, in: "both" }] : [{ text: first, in: "first" }, { text: second, in: "second" }];
  const longest = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) for (let j = b.length - 1; j >= 0; j -= 1) longest[i]![j] = a[i] === b[j] ? longest[i + 1]![j + 1]! + 1 : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!);
  const pieces: Piece[] = [];
  const put = (text: string, where: Piece["in"]) => {
    const last = pieces.at(-1);
    if (last?.in === where) last.text += text;
    else pieces.push({ text, in: where });
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      put(a[i]!, "both");
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && longest[i + 1]![j]! >= longest[i]![j + 1]!)) put(a[i++]!, "first");
    else put(b[j++]!, "second");
  }
  return pieces;
}
