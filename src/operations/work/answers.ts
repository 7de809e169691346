// What a worker tells the machine that put an item for a caller: the events of the job, and how it ended. Signed by the worker, because a
// queue alone is not trusted.
import * as z from "zod/mini";
import { asLifeboatError, ERROR_CODES, LifeboatError } from "../../core/errors.ts";
import type { WorkFailure } from "../../core/work.ts";
import type { JobEvent } from "../../ports/progress.ts";
import type { Repository } from "../../repository/repository.ts";
import { requireWriter, signerOf } from "../../repository/trust.ts";
import { jobEvent } from "../jobs/events.ts";

export type Answer =
  | { readonly type: "event"; readonly event: JobEvent }
  | { readonly type: "ended"; readonly result: unknown }
  | { readonly type: "failed"; readonly failure: WorkFailure };

const errorCode = z.custom<WorkFailure["code"]>((code) => typeof code === "string" && Object.hasOwn(ERROR_CODES, code));
const answer = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("event"), event: jobEvent }),
  z.strictObject({ type: z.literal("ended"), result: z.unknown() }),
  z.strictObject({ type: z.literal("failed"), failure: z.strictObject({ code: errorCode, message: z.string() }) }),
]) satisfies z.ZodMiniType<Answer>;
const signed = z.strictObject({ answer: z.string(), signature: z.string().check(z.maxLength(128)) });

const bytesOf = ({ identity }: Repository, key: string, text: string): Buffer =>
  Buffer.from(`lifeboat answer ${identity.id} ${key} ${text}`);

/** The answer about the item with this key, as the queue stores it. KEY_MISSING. */
export function signAnswer(repository: Repository, key: string, given: Answer): string {
  const text = JSON.stringify(given);
  const signature = Buffer.from(requireWriter(repository.trust).sign(bytesOf(repository, key, text))).toString("base64");
  return JSON.stringify({ answer: text, signature });
}

/** Throws INTEGRITY for what no trusted key has signed as an answer about this item. */
export function readAnswer(repository: Repository, key: string, stored: string): Answer {
  try {
    const { answer: text, signature } = signed.parse(JSON.parse(stored));
    if (signerOf(repository.trust, bytesOf(repository, key, text), Buffer.from(signature, "base64")) !== undefined)
      return answer.parse(JSON.parse(text));
  } catch (cause) {
    throw new LifeboatError("INTEGRITY", `an answer about ${key} on the queue is damaged: ${asLifeboatError(cause).message}`, { cause });
  }
  throw new LifeboatError("INTEGRITY", `no trusted key has signed an answer about ${key} on the queue`, {
    hint: "add the public keys of all workers to repository.signing.trusted; `lifeboat key show` prints one",
  });
}
