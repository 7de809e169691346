// The users of the server, and what it keeps of their passwords.
import { createHash, randomBytes } from "node:crypto";
import { UUID } from "bson";
import type { SandboxUser } from "./auth-types.ts";
import { deriveKeys, type ScramHash, type ScramKeys } from "./scram.ts";

export const MECHANISMS: Readonly<Record<string, ScramHash>> = { "SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256" };
/** Where all users are. */
export const USERS_DATABASE = "admin";
/** The least that drivers accept: it guards an emulator. */
const ITERATIONS = 4096;

/** A user as `usersInfo` shows one; every user has all rights. */
export interface UserEntry {
  readonly _id: string;
  readonly userId: UUID;
  readonly user: string;
  readonly db: string;
  readonly roles: readonly { readonly role: string; readonly db: string }[];
  readonly mechanisms: readonly string[];
}

export interface Users {
  readonly entries: readonly UserEntry[];
  entry(database: string, user: string): UserEntry | undefined;
  keys(hash: ScramHash, database: string, user: string): ScramKeys | undefined;
}

export function openUsers(users: readonly SandboxUser[]): Users {
  const entries = users.map(
    ({ user }): UserEntry => ({
      _id: `${USERS_DATABASE}.${user}`,
      userId: new UUID(),
      user,
      db: USERS_DATABASE,
      roles: [{ role: "root", db: USERS_DATABASE }],
      mechanisms: Object.keys(MECHANISMS),
    }),
  );
  const passwords = new Map(users.map(({ user, password }) => [user, password]));
  const derived = new Map<string, ScramKeys>();
  return {
    entries,
    entry: (database, user) => entries.find((entry) => entry.db === database && entry.user === user),
    keys(hash, database, user) {
      const password = database === USERS_DATABASE ? passwords.get(user) : undefined;
      if (password === undefined) return undefined;
      const name = `${hash} ${user}`;
      const known = derived.get(name) ?? deriveKeys(hash, prepared(hash, user, password), randomBytes(16), ITERATIONS);
      derived.set(name, known);
      return known;
    },
  };
}

/** SHA-1 takes MongoDB's older digest of user and password instead of the password. */
function prepared(hash: ScramHash, user: string, password: string): string {
  return hash === "sha256" ? saslprep(password) : createHash("md5").update(`${user}:mongo:${password}`).digest("hex");
}

// SASLprep (RFC 4013) as far as a password needs it for both sides to agree: mapping and normalisation.
// Prohibited and bidirectional characters are not refused: a client refuses them before it sends anything.

/** RFC 3454, table C.1.2: spaces that become the plain one. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
/** RFC 3454, table B.1: characters that become nothing. */
// biome-ignore lint/suspicious/noMisleadingCharacterClass: single code points by the RFC's table, joiners among them
const NOTHING = /[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/gu;

export function saslprep(text: string): string {
  return text.replace(SPACES, " ").replace(NOTHING, "").normalize("NFKC");
}
