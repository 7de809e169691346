// Signs objects again that an earlier key signed, before that key is no longer trusted.
import { createHash } from "node:crypto";
import { getBytes } from "./json-object.ts";
import type { Repository } from "./repository.ts";
import { objectOfSignature, signatureName } from "./signed.ts";
import { signerOf, type Writer } from "./trust.ts";

export interface Resigned {
  readonly count: number;
  /** Signed manifests that this machine has never seen in this form, so an attacker may have made them with the old key. */
  readonly unknown: readonly string[];
}

/**
 * Signs every object that a trusted key signed with the new writer's key. A manifest only when this machine has seen exactly its bytes.
 * `retire`: the key whose signatures are replaced.
 */
export async function resign(repository: Repository, writer: Writer, signal: AbortSignal, onDone: () => void): Promise<Resigned> {
  const { storage, trust } = repository;
  const unknown: string[] = [];
  let count = 0;
  for await (const { name: signature } of storage.list("", { signal })) {
    const name = objectOfSignature(signature);
    if (name === undefined) continue;
    const bytes = await getBytes(storage, name, signal);
    if (bytes === undefined) continue; // the signature of an object that was replaced or deleted
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
