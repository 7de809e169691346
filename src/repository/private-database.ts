// A SQLite file of this machine that only its user can read and write.
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

const BUSY_MS = 10_000;

/** Opens the file and brings it to the schema, which must be safe to run again. Creates it, and its folder, with modes 0600 and 0700. */
export function openPrivateDatabase(path: string, schema: string): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // SQLite gives its other files the mode of this one.
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  database.exec("pragma journal_mode = wal; pragma synchronous = full;");
  database.exec(schema);
  return database;
}
