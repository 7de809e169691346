// One entry of the audit log: who did what, when, from where, with which plan, and how it ended. Each is a signed note of its own, with its
// place in the log, so that an entry that was changed, moved or left out is named, and what a crashed process began can be finished.
import * as z from "zod/mini";
import type { Actor } from "../core/people.ts";
import { instant, list, maybe, prose, type Schema, segment, word } from "./fields.ts";
import type { Repository } from "./repository.ts";
import { openNote, signNote } from "./signed-note.ts";
import { requireWriter, type TrustedKey } from "./trust.ts";

/**
 * `begin` and `end`: of a job. `closed`: of a job whose process had died. `request`, `approve`, `revoke`: of an approval. `break-glass`: a
 * change to production without the approval that it takes. `token`: a token of the API was made or revoked.
 */
export const AUDIT_EVENTS = ["begin", "end", "closed", "request", "approve", "revoke", "break-glass", "token"] as const;
export type AuditEvent = (typeof AUDIT_EVENTS)[number];

export interface AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly event: AuditEvent;
  readonly operation: string;
  readonly source?: string | undefined;
  readonly job?: string | undefined;
  readonly actor: Actor;
  /** User and host of the process. */
  readonly process: string;
  /** Digest of the plan that was carried out or approved. */
  readonly plan?: string | undefined;
  /** Id of the approval. */
  readonly approval?: string | undefined;
  /** Names of the approvers whose signatures count. */
  readonly approvers?: readonly string[] | undefined;
  /** Why the glass was broken, or an approval was revoked. */
  readonly reason?: string | undefined;
  /** `done`, or the code of the error. */
  readonly outcome?: string | undefined;
}

const schema: Schema<AuditEntry> = z.looseObject({
  id: word,
  at: instant,
  event: z.enum(AUDIT_EVENTS),
  operation: word,
  source: maybe(segment),
  job: maybe(word),
  actor: z.looseObject({
    kind: z.enum(["user", "person", "token", "service"]),
    name: word,
    via: z.enum(["command line", "library", "api", "mcp", "schedule"]),
    from: maybe(word),
  }),
  process: word,
  plan: maybe(word),
  approval: maybe(word),
  approvers: maybe(list(word)),
  reason: maybe(prose),
  outcome: maybe(word),
});

/** Of a bundle: its length is written in 16 bits. */
const MOST_BYTES = 0xffff;

/** The origin of the log in checkpoints, and the name that its keys sign under. */
export const originOf = ({ identity }: Pick<Repository, "identity">): string => `lifeboat-audit/${identity.id}`;

/** Signs the entry for its place in the log. KEY_MISSING. */
export function encodeEntry(repository: Repository, index: number, entry: AuditEntry): Uint8Array {
  const origin = originOf(repository);
  const bytes = Buffer.from(signNote(`${origin} entry\n${index}\n${JSON.stringify(entry)}\n`, origin, requireWriter(repository.trust)));
  if (bytes.length > MOST_BYTES) throw new RangeError("an entry of the audit log is longer than 65535 bytes");
  return bytes;
}

export interface ReadEntry {
  /** What it says of its place. */
  readonly index: number;
  readonly entry: AuditEntry;
  /** Undefined: no trusted key signed it. What a trusted checkpoint covers counts nevertheless: the key may have been retired. */
  readonly signedBy: TrustedKey | undefined;
}

/** Undefined: it is not an entry of this log. */
export function decodeEntry(repository: Repository, bytes: Uint8Array): ReadEntry | undefined {
  const origin = originOf(repository);
  const note = Buffer.from(bytes).toString("utf8");
  const [first, index = "", json = "", blank] = note.split("\n", 4);
  if (first !== `${origin} entry` || !/^\d{1,15}$/.test(index) || blank !== "") return undefined;
  try {
    const read = schema.safeParse(JSON.parse(json));
    if (!read.success) return undefined;
    return { index: Number(index), entry: read.data, signedBy: openNote(note, origin, repository.trust.keys)?.signedBy };
  } catch {
    return undefined;
  }
}

/** A bundle of entries, as tlog-tiles stores them. */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    entries.flatMap((entry) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(entry.length);
      return [length, entry];
    }),
  );
}

/** As far as it can be read. */
export function decodeBundle(bytes: Uint8Array): Uint8Array[] {
  const bundle = Buffer.from(bytes);
  const entries: Uint8Array[] = [];
  for (let at = 0; at + 2 <= bundle.length; ) {
    const end = at + 2 + bundle.readUInt16BE(at);
    if (end > bundle.length) break;
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
