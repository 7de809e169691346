// The schema of the stored manifest.
import * as z from "zod/mini";
import { BACKUP_KINDS, type Manifest } from "../core/manifest.ts";
import {
  count,
  digest,
  facts,
  format,
  id,
  instant,
  list,
  lsn,
  maybe,
  named,
  omission,
  prose,
  type Schema,
  segment,
  word,
} from "./fields.ts";

const span = {
  systemIdentifier: word,
  timeline: count,
  startLsn: lsn,
  endLsn: lsn,
  endedAt: instant,
};

/** The parts that are required to restore and compare a backup of the kind. */
const REQUIRED = (kind: Manifest["kind"]): readonly string[] => (kind === "base" ? ["base", "manifest"] : ["data", "fingerprint"]);

export const manifestSchema: Schema<Manifest> = z
  .looseObject({
    format,
    id,
    name: word,
    source: segment,
    provider: word,
    engine: word,
    kind: z.enum(BACKUP_KINDS),
    previous: maybe(z.looseObject({ id, sha256: digest })),
    tables: maybe(list(prose)),
    startedAt: instant,
    snapshotAt: instant,
    endedAt: instant,
    tiers: list(word),
    servesTo: maybe(instant),
    expiresAt: maybe(instant),
    storageClass: maybe(word),
    reason: maybe(prose),
    note: maybe(prose),
    madeBy: z.looseObject({ user: z.string(), host: z.string(), job: id, lifeboat: word }),
    server: z.looseObject({ version: word, tool: word }),
    sourceBytes: z.number().check(z.minimum(0)),
    parts: list(
      z.looseObject({ name: z.string().check(z.regex(/^[a-z0-9][a-z0-9-]{0,63}$/)), content: word, plain: facts, stored: facts }),
    ),
    recipients: list(word),
    base: maybe(
      z.looseObject({
        ...span,
        segmentBytes: count.check(z.minimum(1024 * 1024), z.maximum(1024 ** 3)),
        tablespaces: list(z.looseObject({ oid: z.string().check(z.regex(/^\d{1,10}$/)), location: prose })),
        pageChecksums: z.boolean(),
        superuser: word,
      }),
    ),
    log: maybe(z.looseObject(span)),
    consistency: maybe(z.enum(["snapshot", "oplog", "none"])),
    fingerprint: maybe(z.looseObject({ algorithm: word, digest, tables: count, rows: count, unhashed: count })),
    content: maybe(list(z.looseObject({ table: prose, rows: count, distinct: maybe(named(count)) }))),
    notIncluded: list(omission),
  })
  .check(
    z.superRefine((manifest, context) => {
      const { kind, parts, fingerprint, base } = manifest;
      const refuse = (path: string, message: string): void =>
        void context.addIssue({ code: "custom", input: manifest, path: [path], message });
      const names = parts.map(({ name }) => name);
      if (new Set(names).size < names.length) refuse("parts", "two parts have one name");
      const missing = REQUIRED(kind).filter((name) => !names.includes(name));
      if (missing.length > 0) refuse("parts", `a backup of kind ${kind} has no part named ${missing.join(" or ")}`);
      if (kind === "base" ? base === undefined : fingerprint === undefined) refuse(kind === "base" ? "base" : "fingerprint", "is missing");
      const compared = parts.find(({ name }) => name === "fingerprint");
      if (fingerprint !== undefined && compared?.plain.sha256 !== fingerprint.digest)
        refuse("fingerprint", "its digest is not that of the part named fingerprint");
    }),
  );
