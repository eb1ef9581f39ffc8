/** Reads address parameters; what is not a known value is dropped, never an error page. */
export type Raw = Record<string, unknown>;

export const str = (value: unknown): string | undefined => {
  const text = typeof value === "number" ? String(value) : value;
  return typeof text === "string" && text !== "" ? text : undefined;
};

export const oneOf = <T extends string>(value: unknown, known: readonly T[]): T | undefined => known.find((entry) => entry === value);

export const whole = (value: unknown): number | undefined => {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) && number >= 0 ? number : undefined;
};
