// Errors as the API answers them: problem details (RFC 9457), with our code, exit status and next action beside.
import * as z from "zod/mini";
import { asLifeboatError, type ErrorCode, EXIT, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { type HintNames, nextOf } from "../../core/hints.ts";
import { about, count, errorCode, named, nextAction } from "../../operations/schemas.ts";
import type { Log } from "../logs.ts";

export const PROBLEM_TYPE = "application/problem+json";

const problemShape = z.strictObject({
  type: about(z.string(), "`urn:lifeboat:error:` and the code."),
  title: about(z.string(), "The name of the HTTP status."),
  status: about(count, "The HTTP status."),
  detail: about(z.string(), "What happened, to what."),
  code: errorCode,
  exit: about(count, "Exit status of the same call on the command line."),
  retryable: about(z.boolean(), "The same request may succeed later without a change by the user."),
  details: about(z.record(z.string(), z.unknown()), "Facts by the code, never a secret."),
  next: nextAction,
});
export const problem = named("problem", "Why a request failed, as RFC 9457 describes it.", problemShape);

export type Problem = z.infer<typeof problemShape>;

const TITLES = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
} as const;

export type ProblemStatus = keyof typeof TITLES;
export const PROBLEM_STATUSES = Object.keys(TITLES).map(Number) as ProblemStatus[];

const STATUSES: Partial<Record<ErrorCode, ProblemStatus>> = {
  UNAUTHENTICATED: 401,
  SIGN_IN_FAILED: 401,
  FORBIDDEN: 403,
  LOCAL_ONLY: 403,
  APPROVAL_NEEDED: 403,
  APPROVAL_INVALID: 403,
  SOURCE_UNKNOWN: 404,
  POINT_UNKNOWN: 404,
  BRANCH_UNKNOWN: 404,
  CHANNEL_UNKNOWN: 404,
  JOB_UNKNOWN: 404,
  TABLE_UNKNOWN: 404,
  NO_RESTORE_POINT: 404,
  JOB_EXISTS: 409,
  LEASE_HELD: 409,
  PLAN_CHANGED: 409,
  STORAGE_CONFLICT: 409,
  RATE_LIMITED: 429,
  BUG: 500,
};

function statusOf({ code, exit, retryable }: LifeboatError): ProblemStatus {
  const status = STATUSES[code];
  if (status !== undefined) return status;
  if (exit === EXIT.usage) return 422;
  return retryable ? 503 : 502;
}

/** A failure of the request itself, before there is an operation. The status says more than the code. */
export class RequestProblem extends Error {
  readonly status: ProblemStatus;
  readonly headers: Readonly<Record<string, string>>;
  readonly error: LifeboatError;

  constructor(status: ProblemStatus, error: LifeboatError, headers: Readonly<Record<string, string>> = {}) {
    super(error.message);
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}

/** USAGE with a status of its own. */
export const refused = (status: ProblemStatus, message: string, headers?: Readonly<Record<string, string>>): RequestProblem =>
  new RequestProblem(status, new LifeboatError("USAGE", message, { hint: "docs/api.md describes the requests" }), headers);

export function problemOf(error: unknown, names: HintNames = {}): Problem {
  const found = error instanceof RequestProblem ? error.error : asLifeboatError(error);
  const { code, exit, retryable, details, hint } = found;
  const status = error instanceof RequestProblem ? error.status : statusOf(found);
  return {
    type: `urn:lifeboat:error:${code}`,
    title: TITLES[status],
    status,
    // What an unexpected error says may hold anything; it is in the log of the service.
    detail: code === "BUG" ? "an unexpected error; the log of the service has more" : found.message,
    code,
    exit,
    retryable,
    details,
    next: nextOf(hint, names),
  };
}

/** The answer to a failed request. */
export function problemResponse(error: unknown, names?: HintNames): Response {
  const body = problemOf(error, names);
  const headers = new Headers({ "content-type": PROBLEM_TYPE, "cache-control": "no-store" });
  if (error instanceof RequestProblem) for (const [name, value] of Object.entries(error.headers)) headers.set(name, value);
  if (body.status === 401) headers.set("www-authenticate", 'Bearer realm="lifeboat"');
  const { retryAfterSeconds } = body.details;
  if (typeof retryAfterSeconds === "number") headers.set("retry-after", String(retryAfterSeconds));
  return new Response(JSON.stringify(body), { status: body.status, headers });
}

/** The answer to a failed request, and the line of the log to which the answer of an unexpected error points. */
export function answerProblem(error: unknown, path: string, log: Pick<Log, "error">): Response {
  if (isBug(error)) log.error("an unexpected error", { path, stack: error instanceof Error ? error.stack : String(error) });
  return problemResponse(error, { command: path.split("/")[2]?.replaceAll("-", " ") });
}

export const isBug = (error: unknown): boolean => !(error instanceof RequestProblem) && isLifeboatError(asLifeboatError(error), "BUG");
