// What an operation is. Command line, API, worker and library are thin adapters over these: no default, decision or shape of a result
// is defined elsewhere.
import type * as z from "zod/mini";
import en from "zod/v4/locales/en.js";
import { ERROR_CODES, type ErrorCode, type ExitStatus, LifeboatError } from "../core/errors.ts";
import type { NextAction } from "../core/hints.ts";
import type { Access } from "../core/people.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Context, Watch } from "./context.ts";

/** What an operation works with: the wired configuration, how it is watched and stopped, and the job's id if it is given. */
export interface OperationContext extends Context, Watch {}

export interface Operation<Request, Result, Plan = unknown> {
  /** As in the registry, on the command line and in the API. */
  readonly name: string;
  /** Names and values only, no live objects. Fields that are not given have their defaults in `run`. */
  readonly request: z.ZodMiniType<Request>;
  /** What `--json` prints and the API returns. */
  readonly result: z.ZodMiniType<Result>;
  readonly access: Access;
  /**
   * What makes sense only on this machine: `all` of it, or these fields of the request, and the values that `refuse` names in a sentence
   * (paths, addresses with passwords). The API and agents do not offer it. Default: nothing.
   */
  readonly local?: "all" | LocalPart<Request>;
  /** Whether it only looks at what is stored: sources without a control plane then come without engine and provider. Default: false. */
  storedOnly?(request: NoInfer<Request>): boolean;
  /** Whether it runs also while the repository cannot be read, by what this machine remembers of it. Default: false. */
  readonly evenAway?: boolean;
  /** Whether the request makes one job, to which the caller can give an id. Default: false. */
  oneJob?(request: NoInfer<Request>): boolean;
  /** What `run` would do; changes nothing. Absent: the operation has no plan. */
  readonly plan?: Planning<Request, Plan>;
  /**
   * The sources that take approval and whose production the request would change. `gated` (approval/gated.ts) puts the gate before `run`.
   * Default: the operation changes no production.
   */
  production?(context: OperationContext, request: NoInfer<Request>): Promise<readonly string[]>;
  run(context: OperationContext, request: NoInfer<Request>): Promise<NoInfer<Result>>;
  /**
   * Finds the result of the job with this id by what it has stored, so that a caller whose worker died before it answered gets that
   * instead of a second run. Undefined: it has stored no result. Absent: the operation is run again.
   */
  found?(context: OperationContext, request: NoInfer<Request>, job: string): Promise<NoInfer<Result> | undefined>;
  /** Exit status of a result. Default: 0. */
  exit?(result: NoInfer<Result>): ExitStatus;
}

export interface LocalPart<Request> {
  readonly fields?: readonly string[];
  /** Why the request makes sense only on this machine; undefined: it makes sense elsewhere too. */
  refuse?(request: NoInfer<Request>): string | undefined;
}

export interface Planning<Request, Plan> {
  readonly result: z.ZodMiniType<Plan>;
  run(context: OperationContext, request: NoInfer<Request>): Promise<NoInfer<Plan>>;
  /** Exit status of a plan. Default: 0. */
  exit?(plan: NoInfer<Plan>): ExitStatus;
}

/** Ties the types of the schemas to `run` and `plan`. */
export const operation = <Request, Result, Plan = never>(definition: Operation<Request, Result, Plan>): Operation<Request, Result, Plan> =>
  definition;

/** Without it, each message of zod/mini is "Invalid input". */
const IN_WORDS = { error: en().localeError };

/** The request, checked. USAGE names the field. */
export function parseRequest<Request>({ name, request }: Pick<Operation<Request, unknown>, "name" | "request">, given: unknown): Request {
  const parsed = request.safeParse(given, IN_WORDS);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join(".") || "the request";
  throw new LifeboatError("USAGE", `${field} of ${name} is not valid: ${issue?.message ?? "unknown"}`);
}

/** Why the request makes sense only on this machine. Undefined: it makes sense elsewhere too. USAGE. */
export function whyLocal<Request>(
  operation: Pick<Operation<Request, unknown>, "name" | "request" | "local">,
  given: unknown,
): string | undefined {
  const { name, local } = operation;
  if (typeof local !== "object") return undefined;
  const fields = typeof given === "object" && given !== null ? Object.keys(given) : [];
  const hidden = fields.find((field) => local.fields?.includes(field));
  if (hidden !== undefined) return `${hidden} of ${name} makes sense only on the machine of the service`;
  return local.refuse?.(parseRequest(operation, given));
}

/** Gives the id to the operation's job. USAGE where the request makes no job, or may make several. */
export function withJobId<Request>(
  { name, oneJob }: Pick<Operation<Request, unknown>, "name" | "oneJob">,
  request: Request,
  id: string | undefined,
): Pick<Watch, "jobId"> {
  if (id === undefined) return {};
  if (!oneJob?.(request)) throw new LifeboatError("USAGE", `an id cannot be given: ${name} does not run as one job here`);
  let given: string | undefined = id;
  return {
    jobId() {
      const next = given;
      given = undefined;
      return next;
    },
  };
}

/** A failure of one source while others continued. */
export interface Failure {
  readonly source: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: NextAction;
}

/** Exit status of the first failure; undefined without one. */
export function exitOfFailures(failures: readonly Failure[]): ExitStatus | undefined {
  const [first] = failures;
  return first && ERROR_CODES[first.code].exit;
}

/** The verdict of several: the worst. */
export function worstOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("fail")) return "fail";
  return verdicts.includes("inconclusive") || verdicts.length === 0 ? "inconclusive" : "pass";
}
