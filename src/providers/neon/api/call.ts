// One call to Neon, from the first try to the last: deadlines, pauses, and what to do when the answer is lost.
import { LifeboatError } from "../../../core/errors.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Work } from "../../../ports/connection.ts";
import { pauseMs, retryAfterMs, sleep, type Timeouts } from "./timeouts.ts";
import { type Failure, hadNoEffect, isBusy, isUnknownHost, passes, translateFailure } from "./translate.ts";

/** What the SDK gives for a request. */
export interface Answer<D> {
  readonly data?: D | undefined;
  readonly error?: unknown;
  readonly response?: Response | undefined;
}

export interface Caller {
  readonly timeouts: Timeouts;
  readonly clock: Clock;
  /** Takes secrets out of a text. */
  redact(text: string): string;
}

export interface Call<D, R> {
  /** Completes "Neon would not …". */
  readonly doing: string;
  send(signal: AbortSignal): Promise<Answer<D>>;
  /** Throws, or makes our own object of the answer. */
  read(data: D): R;
  /**
   * Absent: sending twice is as good as once. Present: it makes something, and this says whether it was made although the answer
   * was lost; it is asked before every repetition that might make a second one.
   */
  readonly look?: (() => Promise<R | undefined>) | undefined;
}

/** After a lost answer, Neon gets a moment more to show what it made. */
const LOST_PAUSES = 4;

/** All the tries of one call to a host that no name service knows. */
const NAME_MS = 3_000;

/** Throws PROVIDER_*, or the signal's reason. */
export async function call<D, R>(caller: Caller, { doing, send, read, look }: Call<D, R>, work: Work = {}): Promise<R> {
  const { timeouts, clock, redact } = caller;
  const startedMs = clock.monotonicMs();
  let mayExist = false;
  let noted = false;
  for (let attempt = 1; ; attempt++) {
    const answer = await attemptOnce(caller, send, work.signal);
    const outcome = outcomeOf(answer, read);
    if ("result" in outcome) return outcome.result;
    const { failure } = outcome;
    const error = translateFailure(failure, doing, redact);
    if (!hadNoEffect(failure) && passes(failure)) mayExist = true;

    const pause = Math.max(nextPauseMs(caller, failure, answer.response, attempt), mayExist && look ? timeouts.retryMs * LOST_PAUSES : 0);
    const outageMs = isUnknownHost(failure) ? Math.min(NAME_MS, timeouts.outageMs) : timeouts.outageMs;
    const budgetMs = isBusy(failure) ? timeouts.busyMs : outageMs;
    const goOn = passes(failure) && clock.monotonicMs() - startedMs + pause <= budgetMs;
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

/** The failure that led here is the first cause; one of the look itself comes after it. */
async function lookFor<R>(look: () => Promise<R | undefined>, error: LifeboatError): Promise<R | undefined> {
  try {
    return await look();
  } catch (cause) {
    if (cause instanceof LifeboatError) throw error;
    throw cause;
  }
}

async function attemptOnce<D>(
  { timeouts }: Caller,
  send: (signal: AbortSignal) => Promise<Answer<D>>,
  signal: AbortSignal | undefined,
): Promise<Answer<D>> {
  signal?.throwIfAborted();
  const deadline = AbortSignal.timeout(timeouts.requestMs);
  const both = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  try {
    const answer = await send(both);
    signal?.throwIfAborted();
    if (answer.error !== undefined && deadline.aborted && answer.response === undefined) {
      return { error: new Error(`no answer in ${Math.round(timeouts.requestMs / 1000)} s`) };
    }
    return answer;
  } catch (error) {
    signal?.throwIfAborted();
    return { error };
  }
}

type Outcome<R> = { readonly result: R } | { readonly failure: Failure };

/** An answer that cannot be understood is as good as none: what was asked may have happened. */
function outcomeOf<D, R>({ error, response, data }: Answer<D>, read: (data: D) => R): Outcome<R> {
  const status = response?.status;
  if (error === undefined) {
    try {
      // An answer without a body, as of a removal, comes as null.
      return { result: read((data ?? {}) as D) };
    } catch (cause) {
      return { failure: { status, message: cause instanceof LifeboatError ? cause.message : "the answer cannot be understood" } };
    }
  }
  const facts = (typeof error === "object" && error !== null ? error : {}) as Partial<Record<"code" | "message" | "reason", unknown>>;
  const text = [facts.reason, facts.message].find((value): value is string => typeof value === "string" && value !== "");
  const code = typeof facts.code === "string" && response !== undefined ? facts.code : undefined;
  return { failure: { status, code, message: response?.ok ? "the answer broke off, or cannot be read" : (text ?? "no reason was given") } };
}

function nextPauseMs({ timeouts, clock }: Caller, failure: Failure, response: Response | undefined, attempt: number): number {
  const asked = retryAfterMs(response?.headers.get("retry-after"), clock.now());
  if (asked !== undefined && failure.status !== undefined) return asked;
  return pauseMs(timeouts, attempt, clock.randomBytes(1)[0] ?? 0);
}
