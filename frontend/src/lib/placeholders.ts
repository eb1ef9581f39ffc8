/** `{name}` in a template stands for the contact's attribute of that name, `{name|there}` says what stands there without one. */

export interface Piece {
  text: string;
  placeholder: string | null;
}

/** The body cut into plain text and placeholders, in order; joined again it is the body. */
export function pieces(body: string): Piece[] {
  return body
    .split(/(\{[\p{L}_][\p{L}\p{M}\p{N}_]{0,63}(?:\|[^{}]*)?\})/gu)
    .filter((text) => text !== "")
    .map((text) => ({ text, placeholder: /^\{([\p{L}_][\p{L}\p{M}\p{N}_]{0,63})(?:\|[^{}]*)?\}$/u.exec(text)?.[1] ?? null }));
}

/** The first brace pair that is no placeholder, such as `{first name}`, and what to write instead; null when all are. The server says the same. */
export function mistypedPlaceholder(body: string): string | null {
  const rest = pieces(body).map((piece) => (piece.placeholder ? "" : piece.text)).join("");
  const wrong = /\{[^{}]*\}/.exec(rest)?.[0];
  if (!wrong) return null;
  const name = wrong.slice(1, -1).split("|")[0]!.trim().replaceAll(/\W+/g, "_").replaceAll(/^[\d_]+|_+$/g, "");
  return `${wrong} is not a placeholder: write ${name ? `{${name}}` : "{name}"}, with letters, digits and _ in the name.`;
}

export const placeholdersOf = (body: string): string[] => [...new Set(pieces(body).flatMap((piece) => piece.placeholder ?? []))];

/** The letters typed after an open brace just before the caret, or null when the caret is not in one. */
export function openPlaceholder(body: string, caret: number): string | null {
  return /\{(\w*)$/.exec(body.slice(0, caret))?.[1] ?? null;
}

/** The body with `{name}` put at the caret, replacing an open one; and where the caret then is. */
export function insertPlaceholder(body: string, caret: number, name: string): { body: string; caret: number } {
  const open = openPlaceholder(body, caret);
  const start = open === null ? caret : caret - open.length - 1;
  const head = `${body.slice(0, start)}{${name}}`;
  return { body: head + body.slice(caret), caret: head.length };
}
