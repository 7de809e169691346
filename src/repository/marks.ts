// Marks: facts about a restore point that were learned after its manifest was written. One small signed file per point.
import * as z from "zod/mini";
import type { Marks } from "../core/restore-point.ts";
import { count, format, hold, id, instant, maybe, type Schema, segment, word } from "./fields.ts";
import { markName } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, deleteSigned, getSigned } from "./signed.ts";

/** The content of the file. Instants are in ISO 8601 UTC. */
export interface MarksRecord {
  readonly format: 1;
  readonly source: string;
  readonly id: string;
  /** Increases with every change, so that a rollback to an older state is detected. */
  readonly revision: number;
  readonly hold?: { readonly by: string; readonly at: string; readonly reason?: string | undefined } | undefined;
  readonly verifiedAt?: string | undefined;
  readonly damagedAt?: string | undefined;
  readonly acceptedAt?: string | undefined;
  readonly preDeploy?: string | undefined;
  readonly expiresAt?: string | undefined;
  readonly storageClass?: string | undefined;
}

export const marksSchema: Schema<MarksRecord> = z.looseObject({
  format,
  source: segment,
  id,
  revision: count,
  hold: maybe(hold),
  verifiedAt: maybe(instant),
  damagedAt: maybe(instant),
  acceptedAt: maybe(instant),
  preDeploy: maybe(word),
  expiresAt: maybe(instant),
  storageClass: maybe(word),
});

const dateOf = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text));

/** Converts the content of the file to marks. */
export function marksOf(record: MarksRecord | undefined): Marks {
  if (record === undefined) return {};
  const { hold, verifiedAt, damagedAt, acceptedAt, preDeploy, expiresAt, storageClass } = record;
  return {
    hold: hold && { by: hold.by, at: new Date(hold.at), reason: hold.reason },
    verifiedAt: dateOf(verifiedAt),
    damagedAt: dateOf(damagedAt),
    acceptedAt: dateOf(acceptedAt),
    preDeploy,
    expiresAt: dateOf(expiresAt),
    storageClass,
  };
}

/** Reads the marks of one point. Marks that no trusted key signed do not count. */
export async function readMarks(repository: Repository, source: string, id: string): Promise<Marks> {
  const found = await getSigned(repository, "marks", markName(source, id), marksSchema);
  return marksOf(found?.signedBy === undefined ? undefined : found.value);
}

/** Changes some marks of a point and keeps the others. A value of `undefined` deletes a mark. */
export async function mark(repository: Repository, source: string, id: string, change: Marks): Promise<void> {
  const name = markName(source, id);
  const written = JSON.parse(JSON.stringify(change)) as Record<string, unknown>;
  const fields = Object.fromEntries(Object.keys(change).map((key) => [key, written[key]])); // undefined among them
  const record = await changeSigned(repository, "marks", name, marksSchema, (found): MarksRecord => {
    const revision = Math.max(found?.revision ?? 0, repository.memory.revision(name) ?? 0) + 1;
    return { ...found, ...fields, format: 1, source, id, revision };
  });
  if (record !== undefined) repository.memory.seeRevision(name, record.revision);
}

/** Deletes the marks of a point, after the point. */
export async function removeMarks(repository: Repository, source: string, id: string): Promise<void> {
  const name = markName(source, id);
  await deleteSigned(repository, name);
  repository.memory.seeRevision(name, undefined);
}
