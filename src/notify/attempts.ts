// One delivery, from its first attempt to its last. It knows no protocol: HTTP and SMTP both go through it.
import { setTimeout } from "node:timers/promises";
import { LifeboatError } from "../core/errors.ts";
import { visible } from "../core/visible.ts";
import type { Clock } from "../ports/clock.ts";
import type { Work } from "../ports/connection.ts";
import type { NotifierWiring, Timeouts } from "../ports/notifier.ts";

const TIMEOUTS: Timeouts = { requestMs: 10_000, totalMs: 60_000, pauseMs: 500, attempts: 4 };
const LONGEST_SAID = 200;

/** One attempt failed. The message ends a sentence that begins with the channel's name. */
export class Trouble extends Error {
  /** Whether the service rejected the request, so that another attempt cannot succeed. */
  readonly permanent: boolean;
  /** How long the service asked to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { permanent = false, retryAfterMs }: { permanent?: boolean; retryAfterMs?: number | undefined } = {}) {
    super(message);
    this.permanent = permanent;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface Deliverer {
  /** The channel's name, for messages. */
  readonly name: string;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
  /** Texts that no message may repeat. */
  readonly secrets: readonly string[];
}

export const delivererOf = (
  { name, clock, timeouts = TIMEOUTS }: Omit<NotifierWiring<unknown>, "options">,
  secrets: readonly (string | undefined)[] = [],
): Deliverer => ({ name, clock, timeouts, secrets: secrets.flatMap((secret) => (secret === undefined ? [] : partsOf(secret))) });

/** A part of an address is as secret as the whole: a service may repeat the path alone. */
function partsOf(secret: string): string[] {
  const url = URL.canParse(secret) ? new URL(secret) : undefined;
  if (url === undefined) return [secret];
  const pieces = [...url.pathname.split("/"), ...url.searchParams.values(), url.username, url.password];
  return [secret, `${url.pathname}${url.search}`, ...pieces.filter((piece) => piece.length >= 8)];
}

/** Prepares what a service said for a message: one short line, without secrets. */
export function said({ secrets }: Deliverer, text: string): string {
  const longestFirst = [...secrets].filter((secret) => secret.length >= 4).sort((a, b) => b.length - a.length);
  const clean = longestFirst.reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
  const line = visible(clean.replace(/\s+/g, " ").trim());
  return line.length > LONGEST_SAID ? `${line.slice(0, LONGEST_SAID - 1)}…` : line;
}

/**
 * Makes attempts until one succeeds. `once` throws Trouble. Throws NOTIFY_FAILED after the last attempt, NOTIFY_REFUSED after a permanent
 * one, and the reason of `work.signal` when that aborts.
 */
export async function deliver<T>(deliverer: Deliverer, once: (signal: AbortSignal) => Promise<T>, { signal }: Work = {}): Promise<T> {
  const { clock, timeouts, name } = deliverer;
  const startedMs = clock.monotonicMs();
  for (let attempt = 1; ; attempt++) {
    const trouble = await attemptOnce(deliverer, once, signal);
    if ("result" in trouble) return trouble.result;
    const { permanent, message, retryAfterMs } = trouble.trouble;
    const sentence = `channel "${visible(name)}" ${said(deliverer, message)}`;
    if (permanent) throw new LifeboatError("NOTIFY_REFUSED", sentence, { details: { channel: name } });
    const pauseMs = retryAfterMs ?? timeouts.pauseMs * 2 ** (attempt - 1) * (1 + (clock.randomBytes(1)[0] ?? 0) / 1024);
    const isLast = attempt >= timeouts.attempts || clock.monotonicMs() - startedMs + pauseMs > timeouts.totalMs;
    if (isLast) throw new LifeboatError("NOTIFY_FAILED", sentence, { details: { channel: name, attempts: attempt } });
    await setTimeout(pauseMs, undefined, { signal }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
  }
}

async function attemptOnce<T>(
  { timeouts }: Deliverer,
  once: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<{ readonly result: T } | { readonly trouble: Trouble }> {
  signal?.throwIfAborted();
  const deadline = AbortSignal.timeout(timeouts.requestMs);
  try {
    return { result: await once(signal === undefined ? deadline : AbortSignal.any([signal, deadline])) };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LifeboatError) throw error;
    if (error instanceof Trouble) return { trouble: error };
    if (deadline.aborted) return { trouble: new Trouble(`did not answer within ${timeouts.requestMs / 1000} s`) };
    return { trouble: new Trouble(`could not be reached: ${causeOf(error)}`) };
  }
}

/** The innermost reason, such as a refused connection. Node's own message of `fetch` says only that it failed. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return causeOf(error.cause);
  if (error instanceof AggregateError && error.errors.length > 0) return causeOf(error.errors[0]);
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return error.message === "" ? (code ?? error.name) : error.message;
}
