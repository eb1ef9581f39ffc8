/** Reads address parameters; what is not a known value is dropped, never an error page. */
export type Raw = Record<string, unknown>;

export const str = (value: unknown): string | undefined => {
  const text = typeof value === "number" ? String(value) : value;
  return typeof text === "string" && text !== "" ? text : undefined;
};

export const oneOf = <T extends string>(value: unknown, known: readonly T[]): T | undefined => known.find((entry) => entry === value);
