/** The marks that WhatsApp shows as type: *bold*, _italic_, ~struck~ and ```fixed```. */
export interface Run {
  text: string;
  style: "bold" | "italic" | "struck" | "fixed" | null;
  /** What stands inside the marks, which may be marked again; empty for plain and fixed text. */
  inner: Run[];
}

const styles = { "*": "bold", _: "italic", "~": "struck" } as const;

// A mark counts at the edge of a word only: 2*3*4 and snake_case stay as they stand.
const marked = /```([\s\S]+?)```|(?<![\p{L}\p{N}])([*_~])(?=\S)([^\n]*?\S)\2(?![\p{L}\p{N}])/gu;

export function runs(text: string): Run[] {
  const found: Run[] = [];
  let end = 0;
  const plain = (upTo: number) => upTo > end && found.push({ text: text.slice(end, upTo), style: null, inner: [] });
  for (const match of text.matchAll(marked)) {
    const [whole, fixed, mark, body] = match;
    plain(match.index);
    if (fixed !== undefined) found.push({ text: fixed, style: "fixed", inner: [] });
    else found.push({ text: body ?? "", style: styles[mark as keyof typeof styles], inner: runs(body ?? "") });
    end = match.index + whole.length;
  }
  plain(text.length);
  return found;
}
