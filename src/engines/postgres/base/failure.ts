// What a refusal of the server means, and what to change on it: exact SQL, exact line.
import { type ErrorCode, LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { quoteName } from "../connect/quote.ts";
import { sqlStateOf, translateError } from "../connect/translate.ts";
import { type ConnectionParts, partsOf } from "../connect/url.ts";

interface Meaning {
  readonly pattern: RegExp;
  /** SQLSTATE, where it says the same in every language. */
  readonly state?: string;
  readonly code: ErrorCode;
  readonly words: string;
  readonly hint: (parts: ConnectionParts) => string;
}

const MEANINGS: readonly Meaning[] = [
  {
    pattern:
      /must be superuser or replication role|permission denied to (start WAL sender|use replication)|only roles with the .*REPLICATION/i,
    state: "42501",
    code: "SOURCE_PERMISSION",
    words: "its role may not copy the cluster",
    hint: ({ user }) => `run on the source, as a superuser: ALTER ROLE ${quoteName(user)} REPLICATION;`,
  },
  {
    pattern: /pg_hba\.conf/,
    code: "SOURCE_PERMISSION",
    words: "its access rules let no replication connection in",
    hint: ({ user, host }) => {
      const from = host.startsWith("/") ? "" : " ADDRESS_OF_THIS_MACHINE/32";
      const line = `${host.startsWith("/") ? "local" : "host"} replication ${quoteName(user)}${from} scram-sha-256`;
      return `add to the source's pg_hba.conf: ${line}   and run: SELECT pg_reload_conf();`;
    },
  },
  {
    pattern: /max_wal_senders/,
    code: "ARCHIVE_BLOCKED",
    words: "it lets no further copy run",
    hint: () => "run on the source: ALTER SYSTEM SET max_wal_senders = 10;   and restart it",
  },
  {
    pattern: /WAL level not sufficient|\bwal_level\b/,
    code: "ARCHIVE_BLOCKED",
    words: "its log does not hold enough (wal_level)",
    hint: () => "run on the source: ALTER SYSTEM SET wal_level = 'replica';   and restart it",
  },
  {
    pattern: /requested WAL segment .* has already been removed/,
    code: "DUMP_FAILED",
    words: "the server removed log that was written while it was being copied",
    hint: () => "raise wal_keep_size on the source (or max_replication_slots, or max_slot_wal_keep_size), then run the backup again",
  },
  {
    pattern: /checksum verification fail/,
    state: "XX001",
    code: "DUMP_FAILED",
    words: "data pages on the source's own disks are damaged",
    hint: () => "the server's log names the files; restore them from an earlier backup. Nothing was kept of this one",
  },
];

/** Translates an error of a replication connection or command. A LifeboatError is returned unchanged. */
export function baseFailure(error: unknown, connection: Connection, details: readonly string[] = []): unknown {
  const text = messageOf(error);
  const state = stateOf(error);
  // A missing CONNECT has the state of a missing REPLICATION, and names the database.
  const known = MEANINGS.find(
    ({ pattern, state: means }) =>
      pattern.test(text) || (state !== undefined && means === state && !text.includes(partsOf(connection).database)),
  );
  if (known) {
    const message = `no base backup of ${connection.label}: ${known.words}: ${[text, ...details].join("; ")}`;
    return new LifeboatError(known.code, message, { cause: error, hint: known.hint(partsOf(connection)) });
  }
  const translated = translateError(error, connection);
  if (translated instanceof LifeboatError || !(error instanceof ServerError)) return translated;
  return new LifeboatError("DUMP_FAILED", `the base backup of ${connection.label} broke off: ${error.message}`, { cause: error });
}

/** An ErrorResponse; `code` is its SQLSTATE. */
export class ServerError extends Error {
  readonly code: string;

  constructor(fields: Readonly<Record<string, string>>) {
    super([fields.M ?? "the server reported an error", fields.D].filter((text) => text !== undefined).join(": "));
    this.name = "ServerError";
    this.code = fields.C ?? "";
  }
}

const stateOf = (error: unknown): string | undefined => (error instanceof ServerError ? error.code : sqlStateOf(error));

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof LifeboatError && error.cause instanceof Error ? error.cause.message : error.message;
}
