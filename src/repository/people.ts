// Tokens and sessions of the service on this machine, in a file that only its user can read and write.
//
// They are not in the repository. An attacker who can write to the storage could put an older state back, which would make a revoked
// token valid again; and a machine that only backs up has a writer key, with which it could sign a token for itself. The file holds
// SHA-256 digests of 256 random bits: a reader of the file, or of a copy of it, cannot sign in.
import { createHash, timingSafeEqual } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod/mini";
import type { Role } from "../core/people.ts";
import { ROLE_NAMES } from "../core/people.ts";
import { callsOnFile, isOfFile, openPrivateDatabase } from "./private-database.ts";

export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly Role[];
  /** The person who holds it. Absent: a program. */
  readonly person?: string | undefined;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
  readonly revokedAt?: Date | undefined;
  readonly lastUsedAt?: Date | undefined;
  readonly lastUsedFrom?: string | undefined;
}

/** Who a provider of sign-ins said a person is. What that allows is asked of the configuration with each request. */
export interface SignedIn {
  readonly issuer: string;
  readonly groups: readonly string[];
}

/** A person who signed in. */
export interface SessionRecord {
  readonly id: string;
  readonly kind: "person" | "token";
  readonly name: string;
  /** The token that it was begun with: it has the token's roles, and ends with it. */
  readonly tokenId?: string | undefined;
  readonly signedIn?: SignedIn | undefined;
  readonly createdAt: Date;
  readonly seenAt: Date;
  readonly endsAt: Date;
}

export type NewToken = Pick<TokenRecord, "name" | "roles" | "person" | "createdAt" | "createdBy" | "expiresAt">;
export type NewSession = Pick<SessionRecord, "kind" | "name" | "tokenId" | "signedIn" | "createdAt" | "endsAt">;
type Random = (count: number) => Uint8Array;

export interface People {
  /** Makes a token. The text is not stored: it is shown once. */
  createToken(token: NewToken, random: Random): { readonly text: string; readonly record: TokenRecord };
  /** Newest first. */
  tokens(): TokenRecord[];
  /** The token with this text, revoked and expired ones too. Compares in constant time. */
  findToken(text: string): TokenRecord | undefined;
  tokenUsed(id: string, at: Date, from: string | undefined): void;
  revokeToken(id: string, at: Date): void;
  beginSession(session: NewSession, random: Random): { readonly text: string; readonly record: SessionRecord };
  findSession(text: string): SessionRecord | undefined;
  sessionSeen(id: string, at: Date): void;
  endSession(id: string): void;
  /** Forgets sessions that ended before. */
  forgetSessions(before: Date): void;
  close(): void;
}

const SCHEMA = `
  create table if not exists token (id text primary key, digest blob not null, name text not null, roles text not null, person text,
    createdAt integer not null, createdBy text not null, expiresAt integer not null, revokedAt integer, lastUsedAt integer,
    lastUsedFrom text) without rowid;
  drop table if exists session;
  create table if not exists signedIn (id text primary key, digest blob not null, kind text not null, name text not null,
    tokenId text, signedIn text, createdAt integer not null, seenAt integer not null, endsAt integer not null) without rowid;`;

/** Scanners of source code find what begins so. */
export const TOKEN_PREFIX = "lbt_";
const SESSION_PREFIX = "lbs_";
const SECRET_BYTES = 32;
const CREDENTIAL = /^(lb[ts]_)([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

interface Credential {
  readonly id: string;
  readonly text: string;
  readonly digest: Uint8Array;
}

/** The id finds the row, the secret is compared. */
function makeCredential(prefix: string, random: Random): Credential {
  const id = Buffer.from(random(8)).toString("hex");
  const text = `${prefix}${id}_${Buffer.from(random(SECRET_BYTES)).toString("base64url")}`;
  return { id, text, digest: digestOf(text) };
}

const digestOf = (text: string): Uint8Array => createHash("sha256").update(text).digest();
/** Compared where no row has the id, so that the answer takes as long. */
const NO_DIGEST = new Uint8Array(32);

const roles = z.array(z.enum(ROLE_NAMES));
const date = z.pipe(
  z.number(),
  z.transform((ms) => new Date(ms)),
);
const maybe = <T extends z.ZodMiniType>(type: T) =>
  z.pipe(
    z.nullable(type),
    z.transform((value) => value ?? undefined),
  );
const json = z.pipe(
  z.string(),
  z.transform((text): unknown => JSON.parse(text)),
);
const digest = z.instanceof(Uint8Array);
const tokenRow = z.object({
  id: z.string(),
  name: z.string(),
  roles: z.pipe(json, roles),
  person: maybe(z.string()),
  createdAt: date,
  createdBy: z.string(),
  expiresAt: date,
  revokedAt: maybe(date),
  lastUsedAt: maybe(date),
  lastUsedFrom: maybe(z.string()),
});
const sessionRow = z.object({
  id: z.string(),
  kind: z.enum(["person", "token"]),
  name: z.string(),
  tokenId: maybe(z.string()),
  signedIn: maybe(z.pipe(json, z.object({ issuer: z.string(), groups: z.array(z.string()) }))),
  createdAt: date,
  seenAt: date,
  endsAt: date,
});

/** Opens the file at the first use, and creates it with mode 0600. Where it cannot be used, calls throw STATE_UNUSABLE. */
export function openPeople(path: string): People {
  let opened: DatabaseSync | undefined;
  const use = (): DatabaseSync => {
    opened ??= openPrivateDatabase(path, SCHEMA);
    return opened;
  };
  const rowOf = (table: "token" | "signedIn", prefix: string, text: string): unknown => {
    const [, kind, id = ""] = CREDENTIAL.exec(text) ?? [];
    const row = kind === prefix ? use().prepare(`select * from ${table} where id = ?`).get(id) : undefined;
    const stored = row === undefined ? NO_DIGEST : digest.parse(row.digest);
    return timingSafeEqual(stored, digestOf(text)) ? row : undefined;
  };
  /** The last use is a help for people. A full disk that cannot take it does not keep a caller out. */
  const noted = (write: () => unknown): void => {
    try {
      write();
    } catch (error) {
      if (!isOfFile(error)) throw error;
    }
  };
  return callsOnFile<People>(path, {
    createToken({ name, roles: given, person, createdAt, createdBy, expiresAt }, random) {
      const { id, text, digest: stored } = makeCredential(TOKEN_PREFIX, random);
      use()
        .prepare("insert into token (id, digest, name, roles, person, createdAt, createdBy, expiresAt) values (?, ?, ?, ?, ?, ?, ?, ?)")
        .run(id, stored, name, JSON.stringify(given), person ?? null, createdAt.getTime(), createdBy, expiresAt.getTime());
      return { text, record: { id, name, roles: given, person, createdAt, createdBy, expiresAt } };
    },
    tokens: () =>
      use()
        .prepare("select * from token order by createdAt desc, id")
        .all()
        .map((row) => tokenRow.parse(row)),
    findToken(text) {
      const row = rowOf("token", TOKEN_PREFIX, text);
      return row === undefined ? undefined : tokenRow.parse(row);
    },
    tokenUsed: (id, at, from) =>
      noted(() =>
        use()
          .prepare("update token set lastUsedAt = ?, lastUsedFrom = ? where id = ?")
          .run(at.getTime(), from ?? null, id),
      ),
    revokeToken(id, at) {
      use().prepare("update token set revokedAt = ? where id = ? and revokedAt is null").run(at.getTime(), id);
      use().prepare("delete from signedIn where tokenId = ?").run(id);
    },
    beginSession({ kind, name, tokenId, signedIn, createdAt, endsAt }, random) {
      const { id, text, digest: stored } = makeCredential(SESSION_PREFIX, random);
      use()
        .prepare("insert into signedIn values (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .run(
          ...[id, stored, kind, name, tokenId ?? null, signedIn === undefined ? null : JSON.stringify(signedIn)],
          ...[createdAt.getTime(), createdAt.getTime(), endsAt.getTime()],
        );
      return { text, record: { id, kind, name, tokenId, signedIn, createdAt, seenAt: createdAt, endsAt } };
    },
    findSession(text) {
      const row = rowOf("signedIn", SESSION_PREFIX, text);
      return row === undefined ? undefined : sessionRow.parse(row);
    },
    sessionSeen: (id, at) => noted(() => use().prepare("update signedIn set seenAt = ? where id = ?").run(at.getTime(), id)),
    endSession: (id) => void use().prepare("delete from signedIn where id = ?").run(id),
    forgetSessions: (before) => void use().prepare("delete from signedIn where endsAt < ?").run(before.getTime()),
    close: () => opened?.close(),
  });
}
