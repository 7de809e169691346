// One call to Atlas, from the first try to the last: deadlines, pauses, and what to do when the answer is lost.
import { LifeboatError } from "../../../core/errors.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Credential } from "./auth/auth.ts";
import { exchange, type Reply, type Request } from "./http.ts";
import { pauseMs, retryAfterMs, sleep, type Timeouts } from "./timeouts.ts";
import { type Asked, type Failure, hadNoEffect, isBusy, isUnknownHost, passes, translateFailure } from "./translate.ts";

export interface Caller {
  readonly credential: Credential;
  readonly timeouts: Timeouts;
  readonly clock: Clock;
  /** Takes secrets out of a text. */
  redact(text: string): string;
}

export interface Call<R> extends Asked {
  readonly request: Request;
  /** Throws, or makes our own object of the answer. */
  read(body: unknown): R;
  /**
   * Absent: sending twice is as good as once. Present: it makes something, and this says whether it was made although the answer
   * was lost; it is asked before every repetition that might make a second one, and before giving up.
   */
  readonly look?: (() => Promise<R | undefined>) | undefined;
}

/** After a lost answer, Atlas gets a moment more to show what it made. */
const LOST_PAUSES = 4;

/** All the tries of one call to a host that no name service knows. */
const NAME_MS = 3_000;

/** Throws PROVIDER_*, or the signal's reason. */
export async function call<R>(caller: Caller, { request, read, look, ...asked }: Call<R>, work: Work = {}): Promise<R> {
  const { timeouts, clock, credential, redact } = caller;
  const startedMs = clock.monotonicMs();
  let mayExist = false;
  let noted = false;
  for (let attempt = 1; ; attempt++) {
    work.signal?.throwIfAborted();
    // What makes something is not broken off half-way: it would come to be after everybody has stopped looking for it.
    const reply = await exchange(credential, request, timeouts.requestMs, look === undefined ? work.signal : undefined);
    work.signal?.throwIfAborted();
    const outcome = outcomeOf(reply, read);
    if ("result" in outcome) return outcome.result;
    const { failure } = outcome;
    const error = translateFailure(failure, asked, redact);
    if (!hadNoEffect(failure) && passes(failure)) mayExist = true;

    const lost = mayExist && look !== undefined ? timeouts.retryMs * LOST_PAUSES : 0;
    const pause = Math.max(nextPauseMs(caller, reply, attempt), lost);
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

type Outcome<R> = { readonly result: R } | { readonly failure: Failure };

/** An answer that cannot be understood is as good as none: what was asked may have happened. */
function outcomeOf<R>(reply: Reply, read: (body: unknown) => R): Outcome<R> {
  const { status, trouble, unsent, body } = reply;
  if (status !== undefined && status >= 200 && status < 300 && trouble === undefined && unsent !== true) {
    try {
      return { result: read(body) };
    } catch (cause) {
      return { failure: { status, message: cause instanceof LifeboatError ? cause.message : "the answer cannot be understood" } };
    }
  }
  const facts = (typeof body === "object" && body !== null ? body : {}) as Readonly<Record<string, unknown>>;
  const text = (...values: unknown[]): string | undefined => values.find((one): one is string => typeof one === "string" && one !== "");
  return {
    failure: {
      status,
      unsent,
      code: text(facts.errorCode, reply.code),
      message: trouble ?? text(facts.detail, facts.reason) ?? "no reason was given",
      fields: fieldsOf(facts.badRequestDetail),
    },
  };
}

function fieldsOf(detail: unknown): string[] {
  const { fields } = (detail ?? {}) as { readonly fields?: unknown };
  if (!Array.isArray(fields)) return [];
  return fields.map(({ field, description }: { field?: unknown; description?: unknown }) => `${String(field)}: ${String(description)}`);
}

function nextPauseMs({ timeouts, clock }: Caller, { retryAfter, status }: Reply, attempt: number): number {
  const asked = retryAfterMs(retryAfter, clock.now());
  if (asked !== undefined && status !== undefined) return asked;
  return pauseMs(timeouts, attempt, clock.randomBytes(1)[0] ?? 0);
}
