// Storing one object: a single request while it fits into the first part, else a multipart upload.
import { randomUUID } from "node:crypto";
import { LifeboatError } from "../../core/errors.ts";
import type { ObjectInfo, PutOptions } from "../../ports/storage.ts";
import { drawBody } from "../body.ts";
import { cancellation, throwIfCancelled } from "../deadline.ts";
import { conditionsOf, headObject, infoOf, type S3Context, traitsOf } from "./context.ts";
import { bareEtag } from "./etags.ts";
import { commitGraceMs, conflictOf, md5Of, settle, type Written } from "./outcome.ts";
import { cutParts, type Part } from "./spool.ts";
import { uploadParts } from "./upload.ts";

export async function putObject(
  s3: S3Context,
  name: string,
  body: AsyncIterable<Uint8Array> | Uint8Array,
  options: PutOptions,
): Promise<ObjectInfo> {
  const token = randomUUID();
  // What ends this put early passes through here, so that the first cause also stops the rest.
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(options.signal === undefined ? undefined : cancellation(options.signal));
  throwIfCancelled(options.signal);
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const parts = cutParts(drawBody(body, stop.signal), s3.spool);
    try {
      const first = (await parts.next()).value;
      if (first === undefined) throw new LifeboatError("BUG", "a body was cut into no parts");
      const written = first.last
        ? await putWhole(s3, name, first, options, token, stop.signal)
        : await uploadParts(s3, name, first, parts, options, token, stop);
      return await readBack(s3, name, written);
    } finally {
      await parts.return();
    }
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

async function putWhole(
  s3: S3Context,
  name: string,
  part: Part,
  options: PutOptions,
  token: string,
  signal: AbortSignal,
): Promise<Written> {
  const doing = `writing ${name}`;
  const bytes = part.body();
  try {
    if (options.ifAbsent === true || options.ifMatch !== undefined) await s3.proof.assure("put", signal);
    const { ETag } = await s3.caller.call(
      "putObject",
      (checksums) => ({
        Key: s3.keyOf(name),
        Body: bytes,
        ContentLength: part.sizeBytes,
        ...traitsOf(s3.options, options, token),
        ...conditionsOf(s3, options),
        ...(checksums ? { ChecksumCRC32: part.crc32 } : bytes instanceof Uint8Array ? { ContentMD5: md5Of(bytes) } : {}),
      }),
      { doing, sizeBytes: part.sizeBytes, signal, graceMs: commitGraceMs(s3.options) },
    );
    return { etag: bareEtag(ETag), sizeBytes: part.sizeBytes };
  } catch (error) {
    return { etag: await settle(s3, name, token, conflictOf(error, options), signal), sizeBytes: part.sizeBytes };
  } finally {
    await part.release();
  }
}

/** Looks at what was stored: a server that kept other bytes than it was sent must not pass for a backup. */
async function readBack(s3: S3Context, name: string, written: Written): Promise<ObjectInfo> {
  // The object is stored and its server has said so: that this question fails does not undo it.
  const head = await headObject(s3, name, undefined).catch(() => undefined);
  if (head === undefined || bareEtag(head.ETag) !== written.etag) {
    // Replaced or removed by another caller since: ours was stored.
    return { name, sizeBytes: written.sizeBytes, modifiedAt: new Date(), etag: written.etag };
  }
  if (head.ContentLength !== written.sizeBytes) {
    await s3.caller.call("deleteObject", () => ({ Key: s3.keyOf(name) }), { doing: `removing ${name}` });
    throw new LifeboatError(
      "INTEGRITY",
      `${s3.caller.url} stored ${head.ContentLength} bytes of ${name} where ${written.sizeBytes} were sent`,
    );
  }
  return infoOf(name, head);
}
