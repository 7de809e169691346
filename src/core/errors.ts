// The one error class, and the table of every error code: exit status, whether a retry can help, and what to do next.

/** The exit statuses of all commands. The numbers are a contract with scripts. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  inconclusive: 3,
  unhealthy: 4,
  noRepository: 10,
  leaseHeld: 11,
  wrongKey: 12,
  approvalNeeded: 13,
  integrity: 30,
  bug: 70,
  cancelled: 130,
} as const;

export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

interface CodeFacts {
  readonly exit: ExitStatus;
  /** Whether the same call may succeed later without a change by the user. */
  readonly retryable: boolean;
  /** What to do next, with a command the user can run. */
  readonly hint: string;
  /** The request was wrong, or the user cancelled it. The error says nothing about the health of the source or the repository. */
  readonly ofRequest?: true;
}

const code = (exit: ExitStatus, hint: string, retryable = false): CodeFacts => ({ exit, retryable, hint });
const ofRequest = (exit: ExitStatus, hint: string): CodeFacts => ({ ...code(exit, hint), ofRequest: true });

/** Every error code. Codes are stable: scripts and alerts match on them. */
export const ERROR_CODES = {
  // usage and configuration
  USAGE: ofRequest(EXIT.usage, "run `lifeboat COMMAND --help`"),
  CONFIG_MISSING: code(EXIT.usage, "run `lifeboat init` here, or name the file with --config FILE"),
  CONFIG_INVALID: code(EXIT.usage, "fix the line shown, then run `lifeboat check`"),
  SECRET_MISSING: code(EXIT.usage, "set the variable in the environment, or write the value to a file with mode 0600 and name it"),
  SECRET_EXPOSED: code(EXIT.usage, "run `chmod 600 FILE`; if other users may have read it, make a new secret"),
  SOURCE_UNKNOWN: ofRequest(EXIT.usage, "run `lifeboat status` to see the sources of this configuration"),
  POINT_UNKNOWN: ofRequest(EXIT.usage, "run `lifeboat list` to see every restore point"),
  POINT_AMBIGUOUS: ofRequest(EXIT.usage, "give more characters of the id; `lifeboat list` shows them"),
  POINT_UNSIGNED: ofRequest(
    EXIT.integrity,
    "choose another restore point, or add its writer's key to repository.signing.trusted; `--unsigned` restores it anyway",
  ),
  CAPABILITY_MISSING: code(EXIT.usage, "run `lifeboat check SOURCE` to see what this source can do"),
  QUERY_REFUSED: ofRequest(EXIT.usage, "correct the query: it may read, in the time and size that `lifeboat preview --help` names"),
  TIMELINE_AMBIGUOUS: ofRequest(EXIT.usage, "choose one with --timeline"),
  PLAN_CHANGED: ofRequest(EXIT.usage, "run it with --plan, look at what changed, then give the new digest"),
  CONFIRMATION_NEEDED: ofRequest(EXIT.usage, "repeat the command with --yes SOURCE when you are sure"),
  NAME_INVALID: ofRequest(EXIT.usage, "use letters, digits, dots, dashes and underscores; start with a letter or digit"),
  // tools and servers
  TOOL_MISSING: code(
    EXIT.usage,
    "install the PostgreSQL client programs (Debian: apt-get install postgresql-client; macOS: brew install libpq), or set tools.postgres in the configuration",
  ),
  TOOL_TOO_OLD: code(
    EXIT.usage,
    "install client programs of the server's major version or newer, or set tools.postgres in the configuration",
  ),
  ISOLATION_MISSING: code(
    EXIT.usage,
    "run drills on a Linux machine with util-linux and namespaces; `scratch.isolation: none` in the configuration accepts the risk",
  ),
  TOOL_FAILED: code(EXIT.failed, "read the program's message above, then run `lifeboat check`"),
  SOURCE_UNREACHABLE: code(EXIT.failed, "check host, port and network, then run `lifeboat check SOURCE`", true),
  SOURCE_AUTH: code(EXIT.failed, "check user and password of the source, then run `lifeboat check SOURCE`"),
  SOURCE_PERMISSION: code(EXIT.failed, "grant the privilege named, or connect as a role that has it, then run `lifeboat check SOURCE`"),
  SOURCE_POOLED: code(EXIT.usage, "use the direct connection string; a pooled one cannot keep a snapshot open"),
  SOURCE_CHANGED: code(EXIT.failed, "run the backup again while no table is being truncated or rewritten", true),
  SOURCE_WRITE_REFUSED: code(EXIT.usage, "choose another destination; a restore never writes to the source it came from"),
  SNAPSHOT_TOO_OLD: code(
    EXIT.failed,
    "set `consistency: oplog` for the source, or raise minSnapshotHistoryWindowInSeconds on its server, then run the backup again",
  ),
  // making and reading backups
  DUMP_FAILED: code(EXIT.failed, "read the tool's message above; nothing of this backup was kept", true),
  DUMP_INCOMPLETE: code(EXIT.failed, "run the backup again; nothing of this one was kept", true),
  LOAD_FAILED: code(EXIT.failed, "read the tool's message above; `lifeboat show POINT` names what the backup requires"),
  LOADER_REFUSED: code(
    EXIT.failed,
    "let roles named lifeboat_load_… log in (pg_hba.conf), or repeat the restore with --as-superuser if you trust the source's code",
  ),
  RESTORE_TARGET_NOT_EMPTY: ofRequest(EXIT.usage, "restore into a new name, or add --replace --yes SOURCE to overwrite this database"),
  RESTORE_TARGET_INVALID: ofRequest(EXIT.usage, "give --into a new database name, or the URL of an empty database"),
  ERASURE_BLOCKED: code(EXIT.failed, "record the rows of the table named in the erasure ledger too: `lifeboat forget --help`"),
  ERASURE_UNKNOWN: ofRequest(EXIT.usage, "run `lifeboat erasures` to see the entries of the erasure ledger"),
  MERGE_REFUSED: ofRequest(EXIT.usage, "restore the table beside the live one, or replace it whole; the message names it"),
  RECOVERY_TARGET_OUTSIDE_WINDOW: ofRequest(EXIT.usage, "run `lifeboat list SOURCE` to see what can be reached"),
  RECOVERY_SHORT: code(EXIT.integrity, "do not use the restored database; run `lifeboat verify` on the base backup and its log"),
  LOG_INVALID: code(EXIT.integrity, "run `lifeboat status SOURCE` to see what can be reached; a new base backup begins a new window"),
  ARCHIVE_BLOCKED: code(EXIT.failed, "change the setting named on the source, then run `lifeboat archive SOURCE` again"),
  NO_RESTORE_POINT: code(EXIT.failed, "run `lifeboat backup SOURCE` first"),
  BACKUP_EMPTY: code(EXIT.inconclusive, "check that the source and its tables are the ones you meant"),
  TABLE_UNKNOWN: ofRequest(EXIT.usage, "run `lifeboat show POINT` to see the tables of a backup; quote names with capitals or odd letters"),
  // keys and integrity
  WRONG_KEY: code(
    EXIT.wrongKey,
    "give the identity of one of the recipients that `lifeboat show POINT` lists (repository.encryption.identityFile)",
  ),
  KEY_MISSING: code(
    EXIT.wrongKey,
    "set repository.encryption.identityFile, or LIFEBOAT_IDENTITY_FILE, to the file that `lifeboat key new` made",
  ),
  KEY_INVALID: code(
    EXIT.wrongKey,
    "run `lifeboat key new FILE` to make a valid one; recipients start with age1, identities with AGE-SECRET-KEY-1",
  ),
  INTEGRITY: code(EXIT.integrity, "do not trust this backup; run `lifeboat list` and choose another restore point"),
  FORMAT_UNKNOWN: code(EXIT.integrity, "a newer Lifeboat wrote this; update, or restore by hand as docs/format.md shows"),
  // storage and repository
  NO_REPOSITORY: code(EXIT.noRepository, "run `lifeboat init` to make one, or check repository.url"),
  REPOSITORY_EXISTS: code(EXIT.usage, "use the existing repository, or choose an empty location in repository.url"),
  STORAGE_UNREACHABLE: code(EXIT.failed, "check the storage's address and network, then run `lifeboat check`", true),
  STORAGE_AUTH: code(EXIT.failed, "check the storage's credentials and policy, then run `lifeboat check`"),
  STORAGE_NOT_FOUND: code(EXIT.failed, "check the bucket or directory in repository.url; `lifeboat init` makes a new repository there"),
  STORAGE_FULL: code(EXIT.failed, "free or add space, then run it again; nothing was left behind"),
  STORAGE_TIMEOUT: code(EXIT.failed, "the storage did not answer in time; check it, then run again", true),
  STORAGE_CONFLICT: code(EXIT.failed, "another process wrote the same object first; run it again", true),
  STORAGE_REFUSED: code(EXIT.failed, "read the storage's message above; a retention lock or policy may hold the object"),
  STORAGE_FAILED: code(EXIT.failed, "read the storage's message above, then run it again", true),
  OBJECT_MISSING: code(EXIT.integrity, "run `lifeboat verify POINT`, then choose another restore point"),
  OBJECT_ARCHIVED: code(EXIT.failed, "wait until the requested restore from archive is done, then run it again", true),
  DISK_FULL: code(EXIT.failed, "free space in the directory named, or set tools.spoolDirectory to a larger one"),
  STATE_UNUSABLE: code(
    EXIT.failed,
    "make room in the directory named, or give this user its rights; `tools.stateDirectory` names another one",
    true,
  ),
  // providers
  PROVIDER_UNREACHABLE: code(EXIT.failed, "check the network and the provider's status page, then run it again", true),
  PROVIDER_AUTH: code(EXIT.failed, "check the API key and its permissions, then run `lifeboat check SOURCE`"),
  PROVIDER_NOT_FOUND: code(EXIT.usage, "check the project, branch and names in the configuration, then run `lifeboat check SOURCE`"),
  PROVIDER_BUSY: code(EXIT.failed, "the provider is still busy with earlier work on this project; run it again in a minute", true),
  PROVIDER_LIMIT: code(
    EXIT.failed,
    "run `lifeboat status SOURCE` to see what is used, and `lifeboat expire SOURCE --plan` to see what can be deleted",
  ),
  PROVIDER_REFUSED: code(EXIT.failed, "read the provider's message above"),
  PROVIDER_FAILED: code(EXIT.failed, "read the provider's message above, then run it again", true),
  BRANCH_UNKNOWN: ofRequest(EXIT.usage, "run `lifeboat list SOURCE` to see branches and snapshots"),
  // notification channels
  CHANNEL_UNKNOWN: ofRequest(EXIT.usage, "run `lifeboat notify test` to see the channels of this configuration"),
  NOTIFY_FAILED: code(EXIT.failed, "check the network and the service's status page, then run `lifeboat notify test`", true),
  NOTIFY_REFUSED: code(EXIT.failed, "correct the channel's address or token in the configuration, then run `lifeboat notify test`"),
  // service
  ADDRESS_UNAVAILABLE: code(EXIT.failed, "end the other program, or choose another port with --port", true),
  // people and the API
  UNAUTHENTICATED: ofRequest(EXIT.usage, "sign in, or send a token; `lifeboat token create --help` says how to make one"),
  FORBIDDEN: ofRequest(EXIT.usage, "use a token or a person with the role named; docs/api.md lists what each role may do"),
  LOCAL_ONLY: ofRequest(EXIT.usage, "run the command on the machine of the service"),
  RATE_LIMITED: { ...ofRequest(EXIT.failed, "wait as long as Retry-After says, then send the request again"), retryable: true },
  IDEMPOTENCY_KEY_REUSED: ofRequest(EXIT.usage, "send a new Idempotency-Key with a new request"),
  SIGN_IN_FAILED: code(EXIT.failed, "begin the sign-in again; if it fails again, check people.oidc in the configuration"),
  TOKEN_UNKNOWN: ofRequest(EXIT.usage, "run `lifeboat token list` to see them"),
  // the queue of several machines
  QUEUE_UNREACHABLE: code(EXIT.failed, "check the address under queue, and that its database answers, then run `lifeboat workers`", true),
  QUEUE_REFUSED: code(EXIT.failed, "give the role of the address under queue a database in which it can create a schema"),
  // cut-over and guard
  CUTOVER_UNKNOWN: ofRequest(EXIT.usage, "add an entry under `cutover` in the configuration; docs/cutover.md shows each kind"),
  CUTOVER_FAILED: code(EXIT.failed, "check the network and the service's status page, then run it again", true),
  CUTOVER_REFUSED: code(EXIT.failed, "read the service's message above, then correct the entry under `cutover` in the configuration"),
  HOOK_FAILED: code(EXIT.failed, "run the hook by hand, then repeat the command; nothing was swapped unless the message says so"),
  UNHEALTHY: code(EXIT.failed, "read the application's log; the former database is in use again"),
  // work
  NOT_DUE: ofRequest(EXIT.done, "run `lifeboat schedule` to see what is due"),
  LEASE_HELD: code(EXIT.leaseHeld, "wait for the job named to end (`lifeboat jobs`), then run it again", true),
  LEASE_LOST: code(EXIT.failed, "another process took over because this one did not renew its lease; run it again", true),
  JOB_EXISTS: ofRequest(EXIT.usage, "run `lifeboat jobs` to see what that job did; give a new id to run it again"),
  JOB_UNKNOWN: ofRequest(EXIT.usage, "run `lifeboat jobs` to see them"),
  SCRATCH_FAILED: code(EXIT.failed, "read the message above; `lifeboat check` says whether a scratch cluster can be created here", true),
  OBJECTIVE_MISSED: code(EXIT.unhealthy, "read the steps of the drill; start with the slowest"),
  INCONCLUSIVE: code(EXIT.inconclusive, "read the checks above; they name what could not be checked"),
  LOOK_OLD: code(EXIT.inconclusive, "run `lifeboat status`, and see whether `lifeboat serve` runs", true),
  CHECK_FAILED: code(EXIT.failed, "read the checks above; they name what differs"),
  APPROVAL_NEEDED: code(EXIT.approvalNeeded, "ask a second person to run `lifeboat approve PLAN`"),
  APPROVAL_INVALID: code(EXIT.approvalNeeded, "run `lifeboat approvals` to see what waits; ask for a new one with --request-approval"),
  AUDIT_INVALID: code(EXIT.integrity, "run `lifeboat audit verify` to see the first entry that differs"),
  AUDIT_UNWRITABLE: code(
    EXIT.failed,
    "make the repository writable, then run it again; --break-glass REASON continues without a record there",
  ),
  OUTPUT_FAILED: code(EXIT.failed, "free space where the output is written, then run it again; `lifeboat jobs` shows what was done"),
  TOO_MANY_FILES: code(EXIT.failed, "run `ulimit -n 4096` in this shell, then run it again", true),
  CANCELLED: ofRequest(EXIT.cancelled, "nothing was kept; run it again at any time"),
  BUG: code(EXIT.bug, "this is a bug in Lifeboat; please report it with the output of --json"),
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable facts for `--json`. Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** Replaces the table's hint where this case has a better next step. */
  readonly hint?: string;
}

/** Shared by every copy of this module: the bundled program and the sandbox that it loads have one each. */
const BRAND = Symbol.for("lifeboat.error");

/** Any error that a user can run into. Its message says in one sentence what happened, and to what. */
export class LifeboatError extends Error {
  static override [Symbol.hasInstance](value: unknown): value is LifeboatError {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint: string;

  constructor(errorCode: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LifeboatError";
    this.code = errorCode;
    this.details = options.details ?? {};
    this.hint = options.hint ?? ERROR_CODES[errorCode].hint;
  }

  get [BRAND](): true {
    return true;
  }

  get exit(): ExitStatus {
    return ERROR_CODES[this.code].exit;
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

/** Narrows to a LifeboatError, optionally with the given code. */
export function isLifeboatError(error: unknown, errorCode?: ErrorCode): error is LifeboatError {
  return error instanceof LifeboatError && (errorCode === undefined || error.code === errorCode);
}

export const isErrorCode = (name: string): name is ErrorCode => Object.hasOwn(ERROR_CODES, name);

/** Tells whether errors of this code are about the request (wrong or cancelled) and not about the source or repository. */
export function isOfRequest(errorCode: string): boolean {
  return Object.entries(ERROR_CODES).some(([name, facts]) => name === errorCode && facts.ofRequest === true);
}

/** Tells whether an error belongs in evidence. A bug in Lifeboat and a wrong request do not. */
export const belongsInEvidence = ({ code: errorCode }: LifeboatError): boolean => errorCode !== "BUG" && !isOfRequest(errorCode);

/** Tells whether the limit of open files caused the error. Node's module loader sets no code for it, so the message is matched too. */
export function lacksHandles(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    if ("code" in one && (one.code === "EMFILE" || one.code === "ENFILE")) return true;
    if (!(one instanceof LifeboatError) && /too many open files/i.test(one.message)) return true;
  }
  return false;
}

/**
 * Converts any thrown value into a LifeboatError. An unexpected one becomes BUG. An abort becomes CANCELLED, unless its reason is itself
 * a LifeboatError (the first cause wins).
 */
export function asLifeboatError(error: unknown): LifeboatError {
  if (error instanceof LifeboatError) return error;
  if (error instanceof Error && error.name === "AbortError") {
    return error.cause instanceof LifeboatError ? error.cause : new LifeboatError("CANCELLED", "stopped on request", { cause: error });
  }
  if (lacksHandles(error)) return new LifeboatError("TOO_MANY_FILES", "this process may not open more files", { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return new LifeboatError("BUG", `unexpected: ${message}`, { cause: error });
}
