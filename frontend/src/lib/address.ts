/** An address with a query: what is not set is left out, several values of one name are repeated. */
export function withQuery(path: string, values: object): string {
  const pairs = Object.entries(values).flatMap(([name, value]: [string, unknown]) => {
    const given = Array.isArray(value) ? value : [value];
    return given.filter((one) => one !== undefined && one !== null && one !== "").map((one) => [name, String(one)]);
  });
  return pairs.length > 0 ? `${path}?${new URLSearchParams(pairs)}` : path;
}
