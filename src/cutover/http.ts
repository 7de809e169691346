// Requests to the API of a service: deadline, bounded answer, no redirect, attempts, and messages without secrets.
import { STATUS_CODES } from "node:http";
import { setTimeout } from "node:timers/promises";
import { LifeboatError } from "../core/errors.ts";
import { visible } from "../core/visible.ts";
import type { Clock } from "../ports/clock.ts";
import type { Work } from "../ports/connection.ts";
import type { CutOverTimeouts, CutOverWiring } from "../ports/cutover.ts";

export const TIMEOUTS: CutOverTimeouts = { requestMs: 20_000, pauseMs: 500, attempts: 4, pollMs: 2_000, deployMs: 20 * 60_000 };
const MOST_ANSWER_BYTES = 4 * 1024 * 1024;
const LONGEST_SAID = 200;
/** Request timeout, too early, too many requests. */
const BUSY: readonly number[] = [408, 425, 429];

export interface Order {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  /** Below the service's address, with its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Further statuses that are answers and not failures. */
  readonly accept?: readonly number[] | undefined;
  /** Sending it twice is not as good as once: it is repeated only when the service says that it did nothing. Default: false. */
  readonly once?: boolean | undefined;
}

export interface Answer {
  readonly status: number;
  /** Undefined: it is not JSON. */
  readonly json: unknown;
}

export interface Caller {
  readonly name: string;
  readonly clock: Clock;
  readonly timeouts: CutOverTimeouts;
  call(order: Order, work?: Work): Promise<Answer>;
  /** No message repeats it from now on. */
  hide(secret: string): void;
  refuse(message: string): LifeboatError;
}

/** `headers`: of every request, such as the one with the token. */
export function callerOf(
  { name, clock, timeouts = TIMEOUTS }: Pick<CutOverWiring<unknown>, "name" | "clock" | "timeouts">,
  base: string,
  headers: Readonly<Record<string, string>>,
  secrets: readonly string[],
): Caller {
  const hidden = new Set(secrets);
  const said = (text: string): string => clean(text, hidden);
  const subject = `cut-over "${visible(name)}"`;
  const refuse = (message: string) => new LifeboatError("CUTOVER_REFUSED", `${subject}: ${said(message)}`, { details: { cutover: name } });
  return {
    name,
    clock,
    timeouts,
    refuse,
    hide(secret) {
      for (const part of partsOf(secret)) hidden.add(part);
    },
    async call(order, { signal } = {}) {
      for (let attempt = 1; ; attempt++) {
        const found = await attemptOnce(base, headers, order, timeouts.requestMs, signal);
        if ("status" in found) {
          const { status, text } = found;
          const json = parsed(text);
          if ((status >= 200 && status < 300) || order.accept?.includes(status)) return { status, json };
          const isBusy = status >= 500 || BUSY.includes(status);
          if (!isBusy) throw refuse(`the service answered ${status} ${STATUS_CODES[status] ?? ""}: ${messageIn(json) ?? text}`);
        }
        const why = "status" in found ? `the service answered ${found.status}` : found.why;
        // Of an answer that was lost, it is not known whether the order was carried out.
        const mayRepeat = order.once !== true || ("status" in found && BUSY.includes(found.status));
        if (!mayRepeat || attempt >= timeouts.attempts)
          throw new LifeboatError("CUTOVER_FAILED", `${subject}: ${said(why)}`, { details: { cutover: name, attempts: attempt } });
        await setTimeout(found.retryAfterMs ?? timeouts.pauseMs * 2 ** (attempt - 1), undefined, { signal });
      }
    },
  };
}

interface Got {
  readonly status: number;
  readonly text: string;
  readonly retryAfterMs?: number | undefined;
}

async function attemptOnce(
  base: string,
  headers: Readonly<Record<string, string>>,
  order: Order,
  requestMs: number,
  signal: AbortSignal | undefined,
): Promise<Got | { readonly why: string; readonly retryAfterMs?: undefined }> {
  signal?.throwIfAborted();
  const deadline = AbortSignal.timeout(requestMs);
  try {
    const response = await fetch(`${base}${order.path}`, {
      method: order.method,
      headers: {
        accept: "application/json",
        ...(order.body !== undefined && { "content-type": "application/json" }),
        ...headers,
        ...order.headers,
      },
      body: order.body === undefined ? null : typeof order.body === "string" ? order.body : JSON.stringify(order.body),
      redirect: "manual",
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    });
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    const retryAfterMs = seconds >= 0 && seconds <= 60 ? seconds * 1000 : undefined;
    return { status: response.status, text: await boundedText(response), retryAfterMs };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LifeboatError) throw error;
    return {
      why: deadline.aborted
        ? `the service did not answer within ${requestMs / 1000} s`
        : `the service could not be reached: ${causeOf(error)}`,
    };
  }
}

async function boundedText({ body }: Response): Promise<string> {
  if (body === null) return "";
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.byteLength;
    if (sizeBytes > MOST_ANSWER_BYTES) throw new LifeboatError("CUTOVER_REFUSED", "the service's answer is larger than 4 MiB");
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The innermost reason, such as a refused connection. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return causeOf(error.cause);
  return error.message === "" ? error.name : error.message;
}

/** A part of a connection string is as secret as the whole. */
export function partsOf(secret: string): string[] {
  const url = URL.canParse(secret) ? new URL(secret) : undefined;
  if (url === undefined) return [secret];
  const { password } = url;
  return [secret, password, decodedOr(password)].filter((part) => part.length >= 4);
}

function decodedOr(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What a service said, for a message: one short line without secrets. */
export function clean(text: string, secrets: Iterable<string>): string {
  const longestFirst = [...secrets].filter((secret) => secret.length >= 4).sort((a, b) => b.length - a.length);
  const line = visible(
    longestFirst
      .reduce((rest, secret) => rest.replaceAll(secret, "***"), text)
      .replace(/\s+/g, " ")
      .trim(),
  );
  return line.length > LONGEST_SAID ? `${line.slice(0, LONGEST_SAID - 1)}…` : line;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

/** The fields of a JSON object; none of anything else. */
export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});
export const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);
export const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const messageIn = (json: unknown): string | undefined => {
  const { message, error } = fieldsOf(json);
  return textOf(message) ?? textOf(error) ?? textOf(fieldsOf(error).message);
};

/** How a deployment stands: done, failed with the service's word for it, or not over. */
export type DeploymentState = { readonly done: true } | { readonly failed: string } | { readonly phase: string };

/** Waits until a deployment is over. CUTOVER_REFUSED: it failed. CUTOVER_FAILED: it was not over in time. */
export async function untilDeployed(caller: Caller, look: () => Promise<DeploymentState>, { signal, progress }: Work = {}): Promise<void> {
  const { clock, timeouts } = caller;
  const startedMs = clock.monotonicMs();
  let told = "";
  for (;;) {
    const state = await look();
    if ("done" in state) return;
    if ("failed" in state) throw caller.refuse(`the deployment ended as "${state.failed}"`);
    if (state.phase !== told) progress?.phase?.(`deployment ${visible(state.phase)}`);
    told = state.phase;
    if (clock.monotonicMs() - startedMs > timeouts.deployMs)
      throw new LifeboatError(
        "CUTOVER_FAILED",
        `cut-over "${visible(caller.name)}": the deployment was not over after ${timeouts.deployMs / 1000} s`,
      );
    await setTimeout(timeouts.pollMs, undefined, { signal });
  }
}

/** By the service's words for it. */
export function stateBy(word: string, done: readonly string[], failed: readonly string[]): DeploymentState {
  if (done.includes(word)) return { done: true };
  return failed.includes(word) ? { failed: word } : { phase: word };
}
