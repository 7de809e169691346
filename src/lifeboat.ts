// Lifeboat as a library: a configuration opened once, and every operation of the registry on it, as often and as many at once as wanted.
import { compose } from "./compose.ts";
import { type Config, loadConfig } from "./config/load.ts";
import { LifeboatError } from "./core/errors.ts";
import { JobProgress } from "./operations/jobs/events.ts";
import { jobExists } from "./operations/jobs/job.ts";
import { type Operation, type OperationContext, parseRequest, withJobId } from "./operations/operation.ts";
import { OPERATIONS } from "./operations/registry.ts";
import type { Clock } from "./ports/clock.ts";
import type { Events } from "./ports/progress.ts";
import { systemClock } from "./system-clock.ts";
import { readVersion } from "./version.ts";

export type OperationName = keyof typeof OPERATIONS;

type Loaded<N extends OperationName> = Awaited<ReturnType<(typeof OPERATIONS)[N]["load"]>>;

/** What an operation is asked for, does, and would do. */
export type RequestOf<N extends OperationName> = Loaded<N> extends Operation<infer Request, infer _Result, infer _Plan> ? Request : never;
export type ResultOf<N extends OperationName> = Loaded<N> extends Operation<infer _Request, infer Result, infer _Plan> ? Result : never;
export type PlanOf<N extends OperationName> = Loaded<N> extends Operation<infer _Request, infer _Result, infer Plan> ? Plan : never;

export interface OpenOptions {
  /** Path of the configuration, or one that is loaded already. Default: `lifeboat.yaml` in the working directory. */
  readonly config?: string | Config | undefined;
  /** Variables that the configuration refers to. Default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

/** How one call is watched and stopped. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Receives the events of this call's jobs, in order. */
  readonly events?: Events | undefined;
  /**
   * Id of the job, made by `makeId`: it can be asked about while it runs. The same call with the same id while it runs gets the result of
   * that job. USAGE where the call makes no job or several. JOB_EXISTS for an id of another call, or of a job that has ended.
   */
  readonly jobId?: string | undefined;
}

export interface Lifeboat {
  /** Runs the operation. Throws LifeboatError: USAGE for a request that does not fit its schema, and what the operation throws. */
  run<N extends OperationName>(name: N, request: RequestOf<N>, options?: CallOptions): Promise<ResultOf<N>>;
  /** What the operation would do; changes nothing. USAGE for an operation without a plan. */
  plan<N extends OperationName>(name: N, request: RequestOf<N>, options?: CallOptions): Promise<PlanOf<N>>;
  /** Closes the repository. Nothing runs afterwards. */
  close(): Promise<void>;
}

/** Opens the configuration and its repository. CONFIG_*, NO_REPOSITORY, STORAGE_*. */
export async function openLifeboat({ config, env = process.env, clock = systemClock }: OpenOptions = {}): Promise<Lifeboat> {
  const loaded = typeof config === "object" ? config : loadConfig({ file: config, env, cwd: process.cwd() });
  const context = await compose(loaded, { clock, lifeboat: readVersion(), env });
  const contextOf = ({ signal = new AbortController().signal, events = () => {} }: CallOptions): OperationContext => ({
    ...context,
    servers: new Map(),
    signal,
    progress: new JobProgress(events, clock),
  });
  /** The calls that gave an id to their jobs, by that id. */
  const running = new Map<string, { readonly asked: string; readonly result: Promise<unknown> }>();
  return {
    async run(name, request, options = {}) {
      const operation = await load(name);
      const asked = parseRequest(operation, request);
      const { jobId } = options;
      const begin = () => operation.run({ ...contextOf(options), ...withJobId(operation, asked, jobId) }, asked);
      if (jobId === undefined) return begin();
      const call = JSON.stringify([name, asked]);
      const before = running.get(jobId);
      if (before !== undefined && before.asked !== call) throw jobExists(jobId);
      if (before !== undefined) return before.result as ReturnType<typeof begin>; // the call is the same, and so is its result
      const result = begin();
      running.set(jobId, { asked: call, result });
      return result.finally(() => running.delete(jobId));
    },
    async plan(name, request, options = {}) {
      const { plan, ...operation } = await load(name);
      if (plan === undefined) throw new LifeboatError("USAGE", `${name} has no plan`);
      return plan.run(contextOf(options), parseRequest(operation, request));
    },
    close: () => context.close(),
  };
}

/** The registry's own types tie each name to its operation. */
const load = <N extends OperationName>(name: N): Promise<Operation<RequestOf<N>, ResultOf<N>, PlanOf<N>>> =>
  OPERATIONS[name].load() as Promise<Operation<RequestOf<N>, ResultOf<N>, PlanOf<N>>>;
