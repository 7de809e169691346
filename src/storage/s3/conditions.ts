// Proof that the server honours conditional writes. Servers that do not know If-None-Match or If-Match ignore them and
// overwrite: with such a server two racers would both believe they had won, so it is asked, once, before it is trusted.
import { randomUUID } from "node:crypto";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { S3Caller } from "./client.ts";
import { bareEtag, quotedEtag } from "./etags.ts";

export interface ConditionProof {
  /** Resolves when the server is known to honour conditions of this kind of write; STORAGE_REFUSED when it does not. */
  assure(kind: "put" | "complete", signal: AbortSignal | undefined): Promise<void>;
  /** An etag as this server wants to see it in If-Match: quoted, as HTTP says, or bare, as Ceph's gateway does. */
  matchOf(etag: string): string;
}

/** AWS itself (`trusted`) documents conditions and is not asked. */
export function openConditionProof(caller: S3Caller, keyOf: (name: string) => string, trusted: boolean): ConditionProof {
  const proofs = new Map<string, Promise<void>>();
  let quoted = true;
  const remember = (form: "quoted" | "bare"): void => {
    quoted = form === "quoted";
  };
  return {
    matchOf: (etag) => (quoted ? quotedEtag(etag) : etag),
    assure(kind, signal) {
      if (trusted) return Promise.resolve();
      let proof = proofs.get(kind);
      if (proof === undefined) {
        proof = kind === "put" ? provePut(caller, keyOf).then(remember) : proveComplete(caller, keyOf);
        proofs.set(kind, proof);
        // A refusal stays; anything else (network, rights) is asked again the next time.
        proof.catch((error: unknown) => {
          if (!isLifeboatError(error, "STORAGE_REFUSED")) proofs.delete(kind);
        });
      }
      return signal === undefined ? proof : proof.then(() => undefined);
    },
  };
}

const doing = "finding out whether conditional writes are honoured";

const PROBE = "probe-";
/** A probe takes a moment; one so old belongs to a process that was killed. */
const STALE_MS = 10 * 60_000;

const isStale = (at: Date | undefined): boolean => at !== undefined && at.getTime() < Date.now() - STALE_MS;

/** Removes what killed processes left of their probes. */
async function removeStale(caller: S3Caller, keyOf: (name: string) => string): Promise<void> {
  const Prefix = keyOf(PROBE);
  const { Contents } = await caller.call("listObjects", () => ({ Prefix }), { doing });
  for (const { Key, LastModified } of Contents ?? []) {
    if (isStale(LastModified)) await removeProbe(caller, Key);
  }
}

async function abortStale(caller: S3Caller, keyOf: (name: string) => string): Promise<void> {
  const { Uploads } = await caller.call("listMultipartUploads", () => ({ Prefix: keyOf(PROBE) }), { doing });
  for (const { Key, UploadId, Initiated } of Uploads ?? []) {
    if (isStale(Initiated)) await caller.call("abortMultipartUpload", () => ({ Key, UploadId }), { doing });
  }
}

async function withProbe<T>(
  caller: S3Caller,
  keyOf: (name: string) => string,
  work: (key: string, etag: string) => Promise<T>,
): Promise<T> {
  await removeStale(caller, keyOf);
  const key = keyOf(PROBE + randomUUID());
  const create = caller.call("putObject", () => ({ Key: key, Body: new Uint8Array(), IfNoneMatch: "*" }), { doing });
  const { ETag } = await create.catch(refusal(caller));
  try {
    return await work(key, bareEtag(ETag));
  } finally {
    await removeProbe(caller, key);
  }
}

/** Credentials that may only add prove conditions too: an empty object stays until others remove it. */
async function removeProbe(caller: S3Caller, Key: string | undefined): Promise<void> {
  try {
    await caller.call("deleteObject", () => ({ Key }), { doing });
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_AUTH")) throw error;
  }
}

async function provePut(caller: S3Caller, keyOf: (name: string) => string): Promise<"quoted" | "bare"> {
  return withProbe(caller, keyOf, async (key, etag) => {
    const put = (condition: { IfNoneMatch: string } | { IfMatch: string }) => async (): Promise<void> => {
      await caller.call("putObject", () => ({ Key: key, Body: new Uint8Array(), ...condition }), { doing });
    };
    await mustConflict(caller, put({ IfNoneMatch: "*" }), "If-None-Match");
    await mustConflict(caller, put({ IfMatch: quotedEtag(etag.replaceAll(/./g, "0")) }), "If-Match");
    for (const form of ["quoted", "bare"] as const) {
      try {
        await put({ IfMatch: form === "quoted" ? quotedEtag(etag) : etag })();
        return form;
      } catch (error) {
        if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
      }
    }
    throw new LifeboatError("STORAGE_REFUSED", `${caller.url} does not know its own etags in If-Match, so nothing can be replaced safely`);
  });
}

async function proveComplete(caller: S3Caller, keyOf: (name: string) => string): Promise<void> {
  await abortStale(caller, keyOf);
  await withProbe(caller, keyOf, async (key) => {
    const { UploadId } = await caller.call("createMultipartUpload", () => ({ Key: key }), { doing });
    try {
      const { ETag } = await caller.call("uploadPart", () => ({ Key: key, UploadId, PartNumber: 1, Body: new Uint8Array([1]) }), { doing });
      const complete = async (): Promise<void> => {
        const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
        await caller.call("completeMultipartUpload", () => ({ Key: key, UploadId, MultipartUpload, IfNoneMatch: "*" }), { doing });
      };
      await mustConflict(caller, complete, "If-None-Match on multipart uploads");
    } finally {
      await caller
        .call("abortMultipartUpload", () => ({ Key: key, UploadId }), { doing })
        .catch((error: unknown) => {
          if (!isLifeboatError(error, "OBJECT_MISSING")) throw error; // the server ignored the condition and completed it
        });
    }
  });
}

async function mustConflict(caller: S3Caller, write: () => Promise<void>, header: string): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (isLifeboatError(error, "STORAGE_CONFLICT")) return;
    return refusal(caller)(error);
  }
  throw new LifeboatError("STORAGE_REFUSED", `${caller.url} ignores conditional writes (${header}), so two writers could both win`, {
    hint: "use a server that honours them; some do so only in a bucket without versioning, among them Ceph's",
  });
}

function refusal(caller: S3Caller): (error: unknown) => never {
  return (error) => {
    if (isLifeboatError(error) && error.details.status === 501) {
      throw new LifeboatError("STORAGE_REFUSED", `${caller.url} does not implement conditional writes`, {
        cause: error,
        hint: "use a server that honours them",
      });
    }
    throw error;
  };
}
