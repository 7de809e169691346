// Signing anew what an earlier key has signed, before that key stops counting.
import { createHash } from "node:crypto";
import { getBytes } from "./json-object.ts";
import type { Repository } from "./repository.ts";
import { objectOfSignature, signatureName } from "./signed.ts";
import { signerOf, type Writer } from "./trust.ts";

export interface Resigned {
  readonly count: number;
  /** Manifests that a trusted key has signed and that this machine has never seen as they are: the old key may have been used for them. */
  readonly unknown: readonly string[];
}

/**
 * Signs every object that a trusted key has signed with the new writer's key. A manifest only when this machine has seen it before,
 * byte for byte; `retire`: whose signatures are replaced.
 */
export async function resign(repository: Repository, writer: Writer, signal: AbortSignal, onDone: () => void): Promise<Resigned> {
  const { storage, trust } = repository;
  const unknown: string[] = [];
  let count = 0;
  for await (const { name: signature } of storage.list("", { signal })) {
    const name = objectOfSignature(signature);
    if (name === undefined) continue;
    const bytes = await getBytes(storage, name, signal);
    if (bytes === undefined) continue; // the signature of something that was replaced or removed
    const digest = createHash("sha256").update(bytes).digest("hex");
    const old = signature === signatureName(name, digest) ? await getBytes(storage, signature, signal) : undefined;
    if (old === undefined || signerOf(trust, bytes, old) === undefined) continue;
    const source = /^sources\/([^/]+)\/backups\/[^/]+\/manifest\.json$/.exec(name)?.[1];
    if (source !== undefined && !repository.memory.points(source).some((point) => point.digest === digest)) {
      unknown.push(name);
      continue;
    }
    await storage.put(signature, writer.sign(bytes), { signal });
    count++;
    onDone();
  }
  return { count, unknown };
}
