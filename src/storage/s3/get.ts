// Reading one object, never short: a connection that breaks is taken up again at the byte reached.
import { Readable } from "node:stream";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { GetOptions } from "../../ports/storage.ts";
import { orCancelled, pause, throwIfCancelled, within } from "../deadline.ts";
import type { S3Context } from "./context.ts";
import { failureOf, translatedS3 } from "./errors.ts";
import { bareEtag, quotedEtag } from "./etags.ts";

const FRUITLESS_TRIES = 5;

interface Opened {
  readonly body: Readable;
  readonly etag: string;
  /** First byte after the last one wanted. */
  readonly stop: number;
}

export async function* getObject(s3: S3Context, name: string, options: GetOptions): AsyncGenerator<Uint8Array> {
  const { start = 0, end, signal } = options;
  const doing = `reading ${name}`;
  const idleMs = s3.options.requestTimeoutMs ?? 30_000;
  let at = start;
  let version: { readonly etag: string; readonly stop: number } | undefined;
  let fruitless = 0;
  while (version === undefined || at < version.stop) {
    throwIfCancelled(signal);
    const opened = await openAt(s3, name, at, end, version?.etag, signal);
    if (opened === undefined) return;
    version ??= { etag: opened.etag, stop: opened.stop };
    const iterator = opened.body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await orCancelled(
          within(iterator.next(), idleMs, () => doing),
          signal,
        );
        if (next.done) break;
        const chunk: Uint8Array = next.value;
        if (at + chunk.length > version.stop)
          throw new LifeboatError("INTEGRITY", `${s3.caller.url} gave more bytes of ${name} than it has`);
        at += chunk.length;
        fruitless = 0;
        yield chunk;
      }
      if (at < version.stop) throw Object.assign(new Error("the answer ended too soon"), { code: "ECONNRESET" });
    } catch (error) {
      if (isLifeboatError(error) && error.code !== "STORAGE_TIMEOUT") throw error;
      fruitless++;
      const silent = isLifeboatError(error, "STORAGE_TIMEOUT") || failureOf(error).code === "TimeoutError";
      if (fruitless >= (silent ? 2 : FRUITLESS_TRIES)) throw translatedS3(error, `${doing} in ${s3.caller.url}`);
      await pause((s3.options.backoffMs ?? 200) * 2 ** fruitless * Math.random(), signal);
    } finally {
      opened.body.on("error", () => undefined).destroy(); // later errors of the body have no meaning
    }
  }
}

/** Opens the object at a byte; undefined when there is nothing from there on because the object ends just before. */
async function openAt(
  s3: S3Context,
  name: string,
  at: number,
  end: number | undefined,
  etag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Opened | undefined> {
  const whole = at === 0 && end === undefined;
  try {
    const answer = await s3.caller.call(
      "getObject",
      () => ({
        Key: s3.keyOf(name),
        ...(whole ? {} : { Range: `bytes=${at}-${end ?? ""}` }),
        ...(etag === undefined ? {} : { IfMatch: quotedEtag(etag) }),
      }),
      { doing: `reading ${name}`, signal },
    );
    if (!(answer.Body instanceof Readable)) throw new LifeboatError("STORAGE_FAILED", `reading ${name}: the answer has no body`);
    const body: Readable = answer.Body;
    const stop = at + (answer.ContentLength ?? Number.NaN);
    const ranged = answer.ContentRange?.startsWith(`bytes ${at}-`) ?? false;
    if (Number.isNaN(stop) || (!whole && !ranged)) {
      body.on("error", () => undefined).destroy();
      throw new LifeboatError("STORAGE_FAILED", `reading ${name}: ${s3.caller.url} did not say which bytes it gave`);
    }
    return { body, etag: bareEtag(answer.ETag), stop };
  } catch (error) {
    if (!isLifeboatError(error)) throw error;
    if (error.details.status === 416) return emptyOrTooShort(s3, name, at, signal);
    if (error.code === "STORAGE_CONFLICT") throw new LifeboatError("INTEGRITY", `${name} was replaced while it was read`, { cause: error });
    if (error.code === "OBJECT_MISSING" && etag !== undefined) {
      throw new LifeboatError("INTEGRITY", `${name} was removed while it was read`, { cause: error });
    }
    throw error;
  }
}

/** A start just behind the last byte gives nothing; one further away means the object is not what the caller believes. */
async function emptyOrTooShort(s3: S3Context, name: string, at: number, signal: AbortSignal | undefined): Promise<undefined> {
  const { ContentLength = 0 } = await s3.caller.call("headObject", () => ({ Key: s3.keyOf(name) }), {
    doing: `looking at ${name}`,
    signal,
  });
  if (at === ContentLength || ContentLength === 0) return undefined;
  throw new LifeboatError("INTEGRITY", `${name} holds ${ContentLength} bytes; byte ${at} was wanted`);
}
