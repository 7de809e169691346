// What pg_dump's last words mean.
import { type ErrorCode, LifeboatError } from "../../../core/errors.ts";

// pg_dump times its wait for locks by statement_timeout.
const MEANINGS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/row-level security/, "SOURCE_PERMISSION", "row-level security would have hidden rows of"],
  [/permission denied|must be superuser|must be owner/, "SOURCE_PERMISSION", "permission is missing in"],
  [/lock timeout|statement timeout|could not obtain lock/, "SOURCE_CHANGED", "another session kept a table locked in"],
  [
    /cache lookup failed|could not open relation with OID|relation .* does not exist/,
    "SOURCE_CHANGED",
    "an object was dropped while the dump began in",
  ],
  [/server version mismatch/, "TOOL_TOO_OLD", "pg_dump is older than the server of"],
  [/password authentication failed|no password supplied/, "SOURCE_AUTH", "the server refused pg_dump's login to"],
  [/out of shared memory/, "DUMP_FAILED", "the server has no room for so many locks (raise max_locks_per_transaction) in"],
  [
    /server closed the connection|connection to server .* failed|terminating connection|could not connect|SSL connection has been closed/,
    "SOURCE_UNREACHABLE",
    "the server ended the connection of pg_dump to",
  ],
];

/** Returns the error for a pg_dump that failed; `message` is one sentence with the tool's own words. */
export function dumpFailure(message: string, label: string): LifeboatError {
  const [, code, words] = MEANINGS.find(([pattern]) => pattern.test(message)) ?? [];
  if (code === undefined) return new LifeboatError("DUMP_FAILED", `the dump of ${label} broke off: ${message}`);
  return new LifeboatError(code, `${words} ${label}: ${message}`);
}
