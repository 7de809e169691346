// What a failed command says, and the status it ends with. An error that is expected has no stack; one that is not says it is a bug.
import type * as z from "zod/mini";
import { redact } from "../config/redact.ts";
import { asLifeboatError, type ExitStatus, isLifeboatError, LifeboatError, lacksHandles } from "../core/errors.ts";
import { type HintNames, nextOf, withNames } from "../core/hints.ts";
import { harmless, visible, visibleJson } from "../core/visible.ts";
import type { failedOperation } from "../operations/schemas.ts";
import { fold } from "./render/fold.ts";
import type { Paint } from "./render/paint.ts";

interface PlacedProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly excerpt: string;
}

export interface FatalOptions {
  readonly json: boolean;
  readonly paint: Paint;
  readonly secrets: Iterable<string>;
  /** What hints call by name. */
  readonly names?: HintNames | undefined;
  /** Of the terminal; absent: there is none. */
  readonly columns?: number | undefined;
  /** The command was told to stop: what came of that is not the first cause. */
  readonly cancelled?: unknown;
}

/** The text for standard error, and the exit status. */
export function describeFailure(thrown: unknown, options: FatalOptions): { readonly text: string; readonly exit: ExitStatus } {
  const error = named(firstCause(thrown, options.cancelled), options.names ?? {});
  const text = options.json ? `${visibleJson(errorJson(error))}\n` : harmless(fold(human(error, options.paint), options.columns));
  return { text: redact(text, options.secrets), exit: error.exit };
}

function firstCause(thrown: unknown, cancelled: unknown): LifeboatError {
  const error = lacksHandles(thrown) ? asLifeboatError(new Error("too many open files", { cause: thrown })) : asLifeboatError(thrown);
  if (cancelled === undefined || error.code === "CANCELLED") return error;
  const first = asLifeboatError(cancelled);
  return new LifeboatError(first.code, first.message, { cause: error, details: first.details, hint: first.hint });
}

/** The same error with the real names in its commands. */
function named(error: LifeboatError, names: HintNames): LifeboatError {
  const { code, details, cause } = error;
  const copy = new LifeboatError(code, withNames(error.message, names), { cause, details, hint: withNames(error.hint, names) });
  copy.stack = error.stack ?? "";
  return copy;
}

/** The fields of an error under `--json`; fields are only ever added. */
export function errorJson(error: LifeboatError): z.infer<typeof failedOperation> {
  return {
    error: {
      code: error.code,
      message: error.message,
      retryable: error.retryable,
      exit: error.exit,
      details: error.details,
      next: nextOf(error.hint),
      ...(error.code === "BUG" ? { stack: stackOf(error) } : {}),
    },
  };
}

function human(error: LifeboatError, paint: Paint): string {
  const help = typeof error.details.help === "string" ? [error.details.help, ""] : [];
  const lines = [...help, `${paint.red("error")} ${paint.bold(error.code)}  ${visible(error.message)}`];
  const problems = problemsOf(error);
  for (const [index, problem] of problems.slice(0, 5).entries()) {
    if (index > 0) lines.push(`  ${problem.file}:${problem.line}:${problem.column}: ${visible(problem.message)}`);
    lines.push(...problem.excerpt.split("\n").map((line) => paint.dim(`    ${line}`)));
  }
  if (problems.length > 5) lines.push(`  and ${problems.length - 5} more`);
  const cause = causeOf(error);
  if (cause !== undefined) lines.push(...cause.split("\n").map((line) => `  ${visible(line)}`));
  if (error.code === "BUG")
    lines.push(
      ...stackOf(error)
        .split("\n")
        .map((line) => paint.dim(`  ${line.trim()}`)),
    );
  lines.push(`  ${paint.cyan("next:")} ${error.hint}`);
  return `${lines.join("\n")}\n`;
}

function problemsOf(error: LifeboatError): readonly PlacedProblem[] {
  const { problems } = error.details;
  const placed = (item: unknown): item is PlacedProblem => typeof item === "object" && item !== null && "excerpt" in item && "line" in item;
  return Array.isArray(problems) && problems.every(placed) ? problems : [];
}

/** What lies behind it, in its own words, unless the message says it already. */
function causeOf(error: LifeboatError): string | undefined {
  const { cause } = error;
  if (error.code === "BUG" || error.code === "TOO_MANY_FILES" || !(cause instanceof Error) || cause.name === "AbortError") return undefined;
  if ("code" in cause && (cause.code === "ENOENT" || cause.code === "EEXIST")) return undefined; // the message says it in words
  const text = isLifeboatError(cause) ? `${cause.code}  ${cause.message}` : cause.message;
  return text === "" || error.message.includes(cause.message) ? undefined : `because: ${text}`;
}

function stackOf(error: LifeboatError): string {
  const { cause } = error;
  return (cause instanceof Error ? cause.stack : error.stack) ?? "";
}
