// Marks: what became known of a restore point after its manifest was written. One small file a point, beside the backups.
import { isLifeboatError } from "../core/errors.ts";
import type { Marks } from "../core/restore-point.ts";
import type { Storage } from "../ports/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { markName } from "./layout.ts";

/** Attempts to write over somebody who marks the same point at the same moment. */
const ATTEMPTS = 8;

const dateOf = (value: unknown): Date | undefined => (typeof value === "string" ? new Date(value) : undefined);

/** The file's content as marks. */
export function marksOf(found: Record<string, unknown>): Marks {
  const hold = found.hold as { by: string; at: string; reason?: string } | undefined;
  return {
    hold: hold && { by: hold.by, at: new Date(hold.at), reason: hold.reason },
    verifiedAt: dateOf(found.verifiedAt),
    damagedAt: dateOf(found.damagedAt),
    preDeploy: typeof found.preDeploy === "string" ? found.preDeploy : undefined,
    expiresAt: dateOf(found.expiresAt),
    storageClass: typeof found.storageClass === "string" ? found.storageClass : undefined,
  };
}

/** The marks of one point, as the storage has them now. */
export async function readMarks(storage: Storage, source: string, id: string): Promise<Marks> {
  return marksOf((await getJson(storage, markName(source, id))) ?? {});
}

/** Changes some marks of a point and keeps the others; a change of `undefined` takes a mark away. */
export async function mark(storage: Storage, source: string, id: string, change: Marks): Promise<void> {
  const name = markName(source, id);
  for (let attempt = 1; ; attempt++) {
    const facts = await storage.head(name);
    const found = facts === undefined ? {} : ((await getJson(storage, name)) ?? {});
    try {
      await putJson(storage, name, { ...found, ...change }, facts === undefined ? { ifAbsent: true } : { ifMatch: facts.etag });
      return;
    } catch (error) {
      if (!isLifeboatError(error, "STORAGE_CONFLICT") || attempt === ATTEMPTS) throw error;
    }
  }
}

/** After its point is gone. */
export async function removeMarks(storage: Storage, source: string, id: string): Promise<void> {
  await storage.delete(markName(source, id));
}
