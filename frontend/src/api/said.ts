import type { Problem } from "./problem";

/** What to say above a form: each thing once. Fields in `placed` tell their own message beside them; a general title gives way to what exactly is wrong. */
export function saidOnce(problem: Problem, placed: readonly string[]): { headline: string; detail: string | null; rest: string[] } | null {
  const rest = problem.errors.filter((entry) => !placed.some((name) => entry.field === name || entry.field.endsWith(`.${name}`))).map((entry) => entry.message);
  if (problem.errors.length > 0 && rest.length === 0) return null;
  if (problem.status !== 422) return { headline: problem.title, detail: problem.detail === problem.title ? null : problem.detail, rest };
  const lines = rest.length > 0 ? rest : [problem.detail ?? problem.title];
  return { headline: lines[0]!, detail: null, rest: [...new Set(lines.slice(1))] };
}
