// What most commands do: parse a request, run one operation on the wired configuration, print its result.
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { compose } from "../compose.ts";
import { asLifeboatError, EXIT, type ExitStatus, LifeboatError } from "../core/errors.ts";
import { shown } from "../core/visible.ts";
import { thisUser } from "../operations/audit/trail.ts";
import { JobProgress } from "../operations/jobs/events.ts";
import { type Operation, type OperationContext, parseRequest, withJobId } from "../operations/operation.ts";
import { readVersion } from "../version.ts";
import type { CommandCall } from "./command.ts";

type Call = Pick<CommandCall, "commandLine" | "config" | "clock" | "env" | "signal" | "events" | "emit" | "job">;

/** Wires the configuration for `run`, and closes everything again at the end. `storedOnly`: no engine is loaded. `evenAway`: see `compose`. */
export async function withContext<T>(
  call: Omit<Call, "emit" | "job">,
  run: (context: OperationContext) => Promise<T>,
  storedOnly?: boolean,
  evenAway?: boolean,
): Promise<T> {
  const { clock, signal, env } = call;
  const config = call.config();
  const context = await compose(config, { clock, lifeboat: readVersion(), env, signal, storedOnly, evenAway });
  const over = new AbortController();
  try {
    const progress = new JobProgress(call.events, clock);
    const command = call.commandLine(config.secrets);
    const actor = { ...thisUser(), via: "command line" } as const;
    return await Promise.race([run({ ...context, signal, progress, actor, command }), overdue(signal, over.signal)]);
  } finally {
    over.abort();
    await context.close();
  }
}

/** Runs the operation and prints its result. Text is made harmless before `render` sees it; `hand` changes what is printed. */
export async function perform<Request, Result, Plan>(
  call: Call,
  operation: Operation<Request, Result, Plan>,
  given: unknown,
  render: (result: Result) => string,
  hand: (result: Result) => Promise<Result> = async (result) => result,
): Promise<ExitStatus> {
  const request = parseRequest(operation, given);
  const job = withJobId(operation, request, call.job);
  const run = async (context: OperationContext): Promise<ExitStatus> => {
    const result = await hand(await operation.run({ ...context, ...job }, request));
    call.emit(result, () => render(shown(result)));
    return operation.exit?.(result) ?? EXIT.done;
  };
  return await withContext(call, run, operation.storedOnly?.(request), operation.evenAway);
}

/** The same for the operation's plan. */
export function performPlan<Request, Result, Plan>(
  call: Call,
  operation: Operation<Request, Result, Plan>,
  given: unknown,
  render: (plan: Plan) => string,
): Promise<ExitStatus> {
  const { plan: planning } = operation;
  if (call.job !== undefined) throw new LifeboatError("USAGE", "--job has no meaning beside --plan, which runs no job");
  if (planning === undefined) throw new LifeboatError("USAGE", `${operation.name} has no plan`);
  return withContext(call, async (context) => {
    const plan = await planning.run(context, parseRequest(operation, given));
    call.emit(plan, () => render(shown(plan)));
    return planning.exit?.(plan) ?? EXIT.done;
  });
}

/** How long a command that was told to stop may take to clean up after itself. */
const ENDING_MS = 8_500;

/**
 * Throws when a command has not ended so long after it was told to: a server or storage that is away must not hold it. Ending now is no
 * worse than a crash: the journal has what was begun, and the next start cleans up.
 */
async function overdue(signal: AbortSignal, over: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort", { signal: over });
  await setTimeout(ENDING_MS, undefined, { signal: over });
  throw new LifeboatError("CANCELLED", `${asLifeboatError(signal.reason).message}, before the cleanup was complete`, {
    hint: "run `lifeboat jobs recover` when its servers answer again; the next start does the same",
  });
}
