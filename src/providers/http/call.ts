// One call to a provider's API, from the first try to the last: deadlines, pauses, and what to do when the answer is lost.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Work } from "../../ports/connection.ts";
import { type CallTimeouts, pauseMs, retryAfterMs, sleep } from "./timeouts.ts";

/** What came back instead of a result. */
export interface Failure {
  /** Absent: nothing came back at all. */
  readonly status?: number | undefined;
  /** The service's own, such as `CLUSTER_NOT_FOUND`. */
  readonly code?: string | undefined;
  readonly message: string;
  /** The request itself was never sent. */
  readonly unsent?: boolean | undefined;
  /** Which fields of the request were wrong. */
  readonly fields?: readonly string[] | undefined;
}

export interface Reply<B> {
  readonly status?: number | undefined;
  readonly retryAfter?: string | null | undefined;
  /** Of a good answer. */
  readonly body?: B | undefined;
  /** Why there is no good answer. */
  readonly trouble?: Omit<Failure, "status"> | undefined;
}

/** How a service fails. */
export interface Service {
  /** Whether a request that failed like this had no effect: it may be sent again without a look. */
  hadNoEffect(failure: Failure): boolean;
  /** Whether a repetition can help. */
  passes(failure: Failure): boolean;
  /** Whether the service is there and busy, rather than in trouble. */
  isBusy(failure: Failure): boolean;
}

export interface Caller {
  readonly timeouts: CallTimeouts;
  readonly clock: Clock;
  /** Removes secrets from a text. */
  redact(text: string): string;
}

export interface Call<B, R> {
  readonly service: Service;
  /** One request. What it throws means that there was no answer. SECRET_MISSING and CONFIG_INVALID end the call. */
  send(signal: AbortSignal): Promise<Reply<B>>;
  /** Makes our own object of the answer, or throws. */
  read(body: B): R;
  /** The error of a failure. */
  translate(failure: Failure): LifeboatError;
  /**
   * Absent: sending twice is as good as once. Present: the call makes something, and this finds what was made although the answer was
   * lost. It is asked before every repetition that might make a second one, and before giving up.
   */
  readonly look?: (() => Promise<R | undefined>) | undefined;
}

/** After a lost answer the service gets a moment more to show what it made. */
const LOST_PAUSES = 4;

/** All tries of a call to a host that no name service knows. */
const NAME_MS = 3_000;

/** Throws what `translate` makes of the failure, or the signal's reason. */
export async function call<B, R>(caller: Caller, wanted: Call<B, R>, work: Work = {}): Promise<R> {
  const { timeouts, clock } = caller;
  const { service, translate, look } = wanted;
  const startedMs = clock.monotonicMs();
  let mayExist = false;
  let noted = false;
  for (let attempt = 1; ; attempt++) {
    work.signal?.throwIfAborted();
    const reply = await attemptOnce(timeouts, wanted, work.signal);
    work.signal?.throwIfAborted();
    const outcome = outcomeOf(reply, wanted);
    if ("result" in outcome) return outcome.result;
    const { failure } = outcome;
    const error = translate(failure);
    if (!service.hadNoEffect(failure) && service.passes(failure)) mayExist = true;

    const lost = mayExist && look !== undefined ? timeouts.retryMs * LOST_PAUSES : 0;
    const pause = Math.max(nextPauseMs(caller, reply, attempt), lost);
    const outageMs = isUnknownHost(failure) ? Math.min(NAME_MS, timeouts.outageMs) : timeouts.outageMs;
    const budgetMs = service.isBusy(failure) ? timeouts.busyMs : outageMs;
    const goOn = service.passes(failure) && clock.monotonicMs() - startedMs + pause <= budgetMs;
    if (goOn) {
      if (!noted && pause >= 1000) work.progress?.note(`${error.message}; trying again`);
      noted ||= pause >= 1000;
      await sleep(pause, work.signal);
    }
    if (look !== undefined && mayExist) {
      const made = await lookFor(look, error);
      if (made !== undefined) return made;
    }
    if (!goOn) throw error;
  }
}

/** A request that makes something is not broken off half-way: it would come to be after the last look for it. */
async function attemptOnce<B, R>(
  { requestMs }: CallTimeouts,
  { send, look }: Call<B, R>,
  given: AbortSignal | undefined,
): Promise<Reply<B>> {
  const signal = look === undefined ? given : undefined;
  const deadline = AbortSignal.timeout(requestMs);
  try {
    const reply = await send(signal === undefined ? deadline : AbortSignal.any([signal, deadline]));
    if (reply.status === undefined && deadline.aborted) throw deadline.reason;
    return reply;
  } catch (error) {
    signal?.throwIfAborted();
    if (isLifeboatError(error)) throw error;
    if (deadline.aborted) return { trouble: { message: `no answer in ${Math.round(requestMs / 1000)} s` } };
    return { trouble: { message: error instanceof Error ? causeOf(error) : String(error) } };
  }
}

/** An answer that cannot be understood is as good as none: what was asked may have happened. */
function outcomeOf<B, R>(
  { status, body, trouble }: Reply<B>,
  { read }: Call<B, R>,
): { readonly result: R } | { readonly failure: Failure } {
  if (trouble !== undefined || body === undefined) return { failure: { status, message: "no reason was given", ...trouble } };
  try {
    return { result: read(body) };
  } catch (cause) {
    return { failure: { status, message: isLifeboatError(cause) ? cause.message : "the answer cannot be understood" } };
  }
}

/** The failure that led here is the first cause; one of the look itself comes after it. */
async function lookFor<R>(look: () => Promise<R | undefined>, error: LifeboatError): Promise<R | undefined> {
  try {
    return await look();
  } catch (cause) {
    throw isLifeboatError(cause) ? error : cause;
  }
}

function nextPauseMs({ timeouts, clock }: Caller, { retryAfter, status }: Reply<unknown>, attempt: number): number {
  const asked = status === undefined ? undefined : retryAfterMs(retryAfter, clock.now());
  return asked ?? pauseMs(timeouts, attempt, clock.randomBytes(1)[0] ?? 0);
}

/** The name service knows no such host: that hardly passes by itself, and is reported within seconds. */
export const isUnknownHost = ({ status, message }: Failure): boolean => status === undefined && message.includes("ENOTFOUND");

/** No connection came about, so nothing was sent. */
export const neverArrived = ({ status, message }: Failure): boolean =>
  status === undefined && /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/.test(message);

/** `fetch failed` says nothing; the reason is its cause. */
export function causeOf(error: Error): string {
  if (error.name === "TimeoutError") return "no answer in time";
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
  const inner = cause instanceof AggregateError ? cause.errors.map(String).join(", ") : cause.message;
  return code !== undefined && !inner.includes(code) ? `${inner} (${code})` : inner || error.message;
}

/** Ten thousand branches or snapshots take a third of it. */
export const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Follows no redirect: it comes back as the answer that it is. An answer that is larger than any that we ask for breaks off at that
 * byte, counted after decompression; its header decides nothing.
 */
export async function boundedFetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(input, { ...init, redirect: "manual" });
  if (response.body === null) return response;
  let sizeBytes = 0;
  const bounded = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes <= MOST_ANSWER_BYTES) controller.enqueue(chunk);
        else controller.error(new Error(`the answer is larger than ${MOST_ANSWER_BYTES} bytes`));
      },
    }),
  );
  const { status, statusText, headers } = response;
  return new Response(bounded, { status, statusText, headers });
}

/** Returns the address of an API without a slash at its end. CONFIG_INVALID for one that would send secrets over a network unencrypted. */
export function validateHost(text: string, example: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new LifeboatError("CONFIG_INVALID", `apiHost must be an address such as ${example}`);
  if (url.username !== "" || url.password !== "") throw new LifeboatError("CONFIG_INVALID", "apiHost must hold no user and no password");
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    throw new LifeboatError("CONFIG_INVALID", `apiHost ${url.host} must be reached by https: secrets would travel unencrypted`);
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

export const isLoopback = (hostname: string): boolean => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/.test(hostname);
