// What pg_receivewal's last words mean: whether it is worth another try, and what to change where it is not.
import { type ErrorCode, LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { quoteName } from "../connect/quote.ts";
import { partsOf } from "../connect/url.ts";

/** `again`: try again. `restart`: the files in the directory cannot be continued; begin again at the slot. `fatal`: nothing changes by waiting. */
export type ReceiveFailure = { readonly what: "again" | "restart" | "fatal"; readonly error: LifeboatError };

interface Meaning {
  readonly pattern: RegExp;
  /** SQLSTATE, where a session of our own was refused: it is the same in every language. */
  readonly state?: string;
  readonly what: ReceiveFailure["what"];
  readonly code: ErrorCode;
  readonly words: string;
  readonly hint?: (connection: Connection) => string;
}

const MEANINGS: readonly Meaning[] = [
  {
    pattern: /pg_hba\.conf/,
    what: "fatal",
    code: "SOURCE_PERMISSION",
    words: "its access rules let no replication connection in",
    hint: hbaHint,
  },
  {
    pattern: /must be superuser or replication role|permission denied to (start WAL sender|use replication)|REPLICATION attribute/i,
    state: "42501",
    what: "fatal",
    code: "SOURCE_PERMISSION",
    words: "its role may not fetch the log",
    hint: (connection) => `run on the source, as a superuser: ALTER ROLE ${quoteName(partsOf(connection).user)} REPLICATION;`,
  },
  {
    pattern: /password authentication failed|no password supplied|authentication failed/,
    state: "28P01",
    what: "fatal",
    code: "SOURCE_AUTH",
    words: "the server refused the login",
  },
  {
    pattern: /max_wal_senders|too many replication/,
    what: "again",
    code: "ARCHIVE_BLOCKED",
    words: "it lets no further receiver in",
    hint: () => "run on the source: ALTER SYSTEM SET max_wal_senders = 10; (and wal_level = 'replica', if it is minimal), and restart it",
  },
  // Of all that a server says while it sends its log, only this names a segment as a word of its own, in every language.
  {
    pattern: /has already been removed|could not receive data from WAL stream: [^\n]* [0-9A-F]{24} /,
    what: "restart",
    code: "ARCHIVE_BLOCKED",
    words: "the log that comes next is no longer there",
  },
  {
    pattern: /is not in this server's history/,
    what: "restart",
    code: "ARCHIVE_BLOCKED",
    words: "it went another way than the log received so far",
  },
  {
    pattern: /can no longer (get changes|access)|slot .* (does not exist|is invalid)|invalidated/i,
    what: "restart",
    code: "ARCHIVE_BLOCKED",
    words: "the replication slot is gone",
  },
  // A standby that has just started knows less than before, for a moment.
  {
    pattern: /is ahead of the WAL flush position/,
    what: "again",
    code: "SOURCE_UNREACHABLE",
    words: "it has less log than was received already",
  },
  { pattern: /is active for PID/, what: "again", code: "LEASE_HELD", words: "the replication slot is in use" },
  { pattern: /No space left on device/, what: "again", code: "DISK_FULL", words: "there is no room for the received log here" },
  {
    pattern: /segment size|server version .* newer|incompatible server version/i,
    what: "fatal",
    code: "TOOL_TOO_OLD",
    words: "pg_receivewal does not fit the server",
  },
];

/** Of a run that ended by itself. `said`: the program's own end, in one sentence; `state`: the SQLSTATE, where there is one. */
export function receiveFailure(said: string, connection: Connection, state?: string): ReceiveFailure {
  const last = said.split("\n").filter((line) => !/starting log streaming|finished segment/.test(line));
  const text = last
    .join("; ")
    .replace(/;? ?pg_receivewal: (error: |disconnected; ?)?/g, "; ")
    .replace(/: ; /, ": ");
  const known = MEANINGS.find(
    ({ pattern, state: means }) => pattern.test(said) || (means === state && isOfSession(said, state, connection)),
  );
  if (!known)
    return { what: "again", error: new LifeboatError("SOURCE_UNREACHABLE", `the log of ${connection.label} stopped coming: ${text}`) };
  const { what, code, words, hint } = known;
  return {
    what,
    error: new LifeboatError(
      code,
      `the log of ${connection.label} does not come: ${words} (${text})`,
      hint ? { hint: hint(connection) } : {},
    ),
  };
}

/** Whether a state is about the kind of session: a missing CONNECT on the database has the same one, and names the database. */
const isOfSession = (said: string, state: string | undefined, connection: Connection): boolean =>
  state !== undefined && !said.includes(partsOf(connection).database);

function hbaHint(connection: Connection): string {
  const { host, user } = partsOf(connection);
  const local = host.startsWith("/");
  const line = `${local ? "local" : "host"} replication ${quoteName(user)}${local ? "" : " ADDRESS_OF_THIS_MACHINE/32"} scram-sha-256`;
  return `add to the source's pg_hba.conf: ${line} (a rule for "all" databases does not cover replication), then run: SELECT pg_reload_conf();`;
}
