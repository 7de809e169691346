// What the calls share: the SDK, the project, and how every request is made and read.

import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import { type Caller, call, type Reply } from "../../http/call.ts";
import { sleep } from "../../http/timeouts.ts";
import type { Timeouts } from "../options.ts";
import { need, readOperation, readOperations } from "./read.ts";
import type { Sdk } from "./sdk.ts";
import { SERVICE, translateFailure } from "./translate.ts";
import type { NeonOperation } from "./types.ts";

/** What every request gives to the SDK. */
export interface Common {
  readonly client: Sdk["client"];
  readonly signal: AbortSignal;
}

/** What the SDK returns for a request. */
export interface Answer<D> {
  readonly data?: D | undefined;
  readonly error?: unknown;
  readonly response?: Response | undefined;
}

export interface Ask<D, R> {
  /** Completes "Neon would not …". */
  readonly doing: string;
  send(raw: Sdk["raw"], common: Common): Promise<Answer<D>>;
  read(data: D): R;
}

export interface Session {
  readonly project: string;
  /** A question, or a change that is the same when it is made twice. */
  ask<D, R>(ask: Ask<D, R>, work: Work | undefined): Promise<R>;
  /** A change: returns when its operations have ended. */
  change<D>(ask: Omit<Ask<D, unknown>, "read">, work: Work | undefined): Promise<D>;
  /** Makes something once. `look` finds it after a lost answer; when it does, all work of the project is waited for. */
  make<D, R>(ask: Ask<D, R> & { look(): Promise<R | undefined> }, work: Work | undefined): Promise<R>;
}

export function openSession(project: string, load: () => Promise<Sdk>, caller: Caller & { readonly timeouts: Timeouts }): Session {
  let loading: Promise<Sdk> | undefined;
  const sdk = (): Promise<Sdk> => {
    loading ??= load();
    return loading;
  };

  async function send<D, R>(ask: Ask<D, R>, work: Work | undefined, look?: () => Promise<R | undefined>): Promise<R> {
    const { client, raw } = await sdk();
    const { doing, read } = ask;
    return await call(
      caller,
      {
        service: SERVICE,
        send: async (signal) => replyOf(await ask.send(raw, { client, signal })),
        read,
        translate: (failure) => translateFailure(failure, doing, caller.redact),
        look,
      },
      work,
    );
  }

  const askOperation = (id: string, work: Work | undefined): Promise<NeonOperation> =>
    send(
      {
        doing: `tell how its operation ${id} goes`,
        send: (raw, common) => raw.getProjectOperation({ ...common, path: { project_id: project, operation_id: id } }),
        read: (data) => readOperation(need(data.operation, "operation")),
      },
      work,
    );

  const settle = (operations: readonly NeonOperation[], work: Work | undefined): Promise<void> =>
    awaitOperations(caller, operations, (id) => askOperation(id, work), work);

  /** After a lost answer it is unknown which operations were ours; Neon works on one thing of a project at a time anyway. */
  async function settleAll(work: Work | undefined): Promise<void> {
    const operations = await send(
      {
        doing: "list its operations",
        send: (raw, common) => raw.listProjectOperations({ ...common, path: { project_id: project }, query: { limit: 100 } }),
        read: readOperations,
      },
      work,
    );
    await settle(operations.filter(isUnfinished), work);
  }

  return {
    project,
    ask: (ask, work) => send(ask, work),
    async change(ask, work) {
      const data = await send({ ...ask, read: (answer) => answer }, work);
      await settle(readOperations(data), work);
      return data;
    },
    async make(ask, work) {
      const { read, look } = ask;
      type Made = { readonly made: ReturnType<typeof read>; readonly operations?: NeonOperation[] };
      const { made, operations } = await send<Parameters<typeof read>[0], Made>(
        { ...ask, read: (data) => ({ made: read(data), operations: readOperations(data) }) },
        work,
        async () => {
          const found = await look();
          return found === undefined ? undefined : { made: found };
        },
      );
      if (operations === undefined) await settleAll(work);
      else await settle(operations, work);
      return made;
    },
  };
}

function replyOf<D>({ data, error, response }: Answer<D>): Reply<D | object> {
  const status = response?.status;
  const retryAfter = response?.headers.get("retry-after");
  // An answer without a body, as to a deletion, comes as null.
  if (error === undefined) return { status, retryAfter, body: data ?? {} };
  const facts: Partial<Record<"code" | "message" | "reason", unknown>> = typeof error === "object" && error !== null ? error : {};
  const text = [facts.reason, facts.message].find((value): value is string => typeof value === "string" && value !== "");
  const code = typeof facts.code === "string" && response !== undefined ? facts.code : undefined;
  const message = response?.ok ? "the answer broke off, or cannot be read" : (text ?? "no reason was given");
  return { status, retryAfter, trouble: { code, message } };
}

const DONE: ReadonlySet<string> = new Set(["finished", "skipped"]);
const FAILED: ReadonlySet<string> = new Set(["failed", "error", "cancelled"]);

export const isUnfinished = ({ status }: NeonOperation): boolean => !DONE.has(status) && !FAILED.has(status);

/** First pause between two questions; it grows by half each time. */
const FIRST_POLL_MS = 100;
/** Operations usually end sooner; then there is nothing to say. */
const QUIET_MS = 5_000;

/**
 * Returns when all have ended well. PROVIDER_FAILED when one failed; PROVIDER_BUSY when one has not ended in time: its id is told,
 * because Neon's support asks for it.
 */
export async function awaitOperations(
  caller: Caller & { readonly timeouts: Timeouts },
  operations: readonly NeonOperation[],
  ask: (id: string) => Promise<NeonOperation>,
  work: Work = {},
): Promise<void> {
  const { timeouts, clock } = caller;
  const startedMs = clock.monotonicMs();
  let noted = false;
  let pauseMs = Math.min(FIRST_POLL_MS, timeouts.pollMs);
  for (let operation of operations) {
    while (isUnfinished(operation)) {
      if (clock.monotonicMs() - startedMs > timeouts.operationMs) throw late(operation, timeouts.operationMs);
      if (!noted && clock.monotonicMs() - startedMs > QUIET_MS) {
        work.progress?.note(`waiting for Neon's operation ${operation.id} (${operation.action})`);
        noted = true;
      }
      await sleep(pauseMs, work.signal);
      pauseMs = Math.min(timeouts.pollMs, pauseMs * 1.5);
      operation = await ask(operation.id);
    }
    if (FAILED.has(operation.status)) throw failed(caller, operation);
  }
}

function late({ id, action, status }: NeonOperation, waitedMs: number): LifeboatError {
  return new LifeboatError(
    "PROVIDER_BUSY",
    `Neon's operation ${id} (${action}) is still ${status} after ${Math.round(waitedMs / 1000)} s`,
    {
      details: { operation: id, action, status },
    },
  );
}

function failed(caller: Caller, { id, action, status, error }: NeonOperation): LifeboatError {
  const why = error ? `: ${caller.redact(error)}` : "";
  return new LifeboatError("PROVIDER_FAILED", `Neon's operation ${id} (${action}) ended as ${status}${why}`, {
    details: { operation: id, action, status },
  });
}

/** What is gone already is what was wanted; undefined then. */
export async function orGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isLifeboatError(error, "PROVIDER_NOT_FOUND")) return undefined;
    throw error;
  }
}
