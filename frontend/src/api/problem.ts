import { sentence } from "../lib/format";

export interface FieldError {
  field: string;
  message: string;
}

/** An answer of the API that is not success, as RFC 9457 describes it; `status` 0 means no answer came. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string | null;
  readonly errors: FieldError[];
  readonly requestId: string | null;

  constructor(fields: { status: number; code: string; title: string; detail?: string | null; errors?: FieldError[]; requestId?: string | null }) {
    super(fields.detail ?? fields.title);
    this.name = "Problem";
    this.status = fields.status;
    this.code = fields.code;
    this.title = fields.title;
    this.detail = fields.detail ?? null;
    this.errors = fields.errors ?? [];
    this.requestId = fields.requestId ?? null;
  }

  /** The message for one form field, if the API named it. */
  field(name: string): string | undefined {
    return this.errors.find((error) => error.field === name || error.field.endsWith(`.${name}`))?.message;
  }
}

const text = (value: unknown): string | null => (typeof value === "string" && value !== "" ? value : null);

function fieldErrors(value: unknown): FieldError[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    if (typeof entry !== "object" || entry === null) return [];
    const { field, message } = entry as Record<string, unknown>;
    return typeof field === "string" && typeof message === "string" ? [{ field, message }] : [];
  });
}

/** Reads a problem document; anything else becomes a Problem with what is known. */
export function problemFrom(status: number, body: unknown, headers?: Headers): Problem {
  const document = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const code = text(document.code) ?? `http_${status}`;
  return new Problem({
    status,
    code,
    title: text(document.title) ?? (text(document.code) ? sentence(code) : `The server answered ${status}`),
    detail: text(document.detail),
    errors: fieldErrors(document.errors),
    requestId: text(document.request_id) ?? headers?.get("x-request-id") ?? null,
  });
}

/** One line for whoever reads the server's log. */
export const detailsOf = (problem: Problem): string => [problem.status || null, problem.code, problem.requestId && `request ${problem.requestId}`].filter(Boolean).join(" · ");

export const unreachable = (): Problem =>
  new Problem({ status: 0, code: "unreachable", title: "The server is not responding", detail: "Check that Event Stream Engine is running and that this device is online." });

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem({ status: 0, code: "unexpected", title: "Something went wrong on this page", detail: error instanceof Error ? error.message : String(error) });
}
