// What a failed statement means: one table that could not be read, or a session that is gone.
import { LifeboatError } from "../../../core/errors.ts";
import type { Locker } from "./lockers.ts";

const sqlState = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
};

/** No SQLSTATE, connection exceptions, shutdown, cancelled by request, a lost snapshot: nothing more can be asked in this session. */
const FATAL = /^(08|57|25P03|25P04)/;

/** Whether only the object at hand is concerned: everything else ends the fingerprint. */
export const isAboutOneObject = (error: unknown): boolean => {
  const state = sqlState(error);
  return state !== undefined && !FATAL.test(state);
};

export const isLockTimeout = (error: unknown): boolean => sqlState(error) === "55P03";

const PLAIN: Readonly<Record<string, string>> = {
  "42P01": "it was dropped while the fingerprint was made",
  "55P03": "another session holds a lock on it",
};

/** Why an object could not be hashed, in a sentence's end. The server's message holds names, never rows. */
export function reasonOf(error: unknown): string {
  const state = sqlState(error) ?? "";
  const message = error instanceof Error ? error.message : String(error);
  if (state === "42501" && message.includes("row-level security")) {
    return "row-level security would hide rows from this user: connect as a superuser or a role with BYPASSRLS";
  }
  if (state === "0A000" && message.includes("unlogged"))
    return "it is unlogged, so a standby has none of its rows: back up the primary, or make the table LOGGED there";
  return PLAIN[state] ?? `the server says: ${message}`;
}

/** A foreign error at the adapter's edge. The first cause wins: an abort's own reason before what the abort broke. */
export function asSourceError(error: unknown, signal: AbortSignal | undefined, locker?: Locker): Error {
  if (signal?.aborted) {
    return signal.reason instanceof LifeboatError ? signal.reason : new LifeboatError("CANCELLED", "stopped on request", { cause: error });
  }
  if (error instanceof LifeboatError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (sqlState(error) === "42501")
    return new LifeboatError("SOURCE_PERMISSION", `the server refused to be read: ${message}`, { cause: error });
  if (isLockTimeout(error)) {
    const words = locker === undefined ? "another session kept a table locked" : locker.words;
    return new LifeboatError("SOURCE_CHANGED", `the fingerprint waited too long: ${words}`, {
      cause: error,
      ...(locker && { hint: locker.hint }),
    });
  }
  // A catalog query that the server does not understand is our mistake.
  if (isAboutOneObject(error)) return new LifeboatError("BUG", `unexpected: ${message}`, { cause: error });
  return new LifeboatError("SOURCE_UNREACHABLE", `the server stopped answering while the fingerprint was made: ${message}`, {
    cause: error,
  });
}
