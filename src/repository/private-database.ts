// A SQLite file of this machine that only its user can read and write.
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LifeboatError } from "../core/errors.ts";

const BUSY_MS = 10_000;

/** Opens the file and brings it to the schema, which must be safe to run again. Creates it, and its folder, with modes 0600 and 0700. */
export function openPrivateDatabase(path: string, schema: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // SQLite gives its other files the mode of this one.
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    database.exec("pragma journal_mode = wal; pragma synchronous = full;");
    database.exec(schema);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Throws STATE_UNUSABLE for what `isOfFile`. */
export function onFile<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!isOfFile(error)) throw error;
    throw new LifeboatError("STATE_UNUSABLE", `the state of this machine cannot be used (${path}: ${error.message})`, { cause: error });
  }
}

/** Returns the same calls, each of them `onFile`. */
export function callsOnFile<T extends object>(path: string, calls: T): T {
  const translating = Object.entries(calls).map(([name, call]) => [name, (...given: unknown[]) => onFile(path, () => call(...given))]);
  return Object.fromEntries(translating);
}

const WRONG_STATEMENT = 1; // a bug, and no fault of the file

/** What SQLite or the file system says about a file: it is full, or not ours. */
export function isOfFile(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error) return error.errcode !== WRONG_STATEMENT;
  return "syscall" in error;
}
