import assert from "node:assert/strict";
import { test } from "node:test";
import { receiveFailure } from "./receive-failure.ts";

const connection = { url: "postgresql://backup:secret@db.example:5432/shop", label: "shop on db.example:5432 as backup" };

/** What the program says in its own words, in several versions → what follows. */
const SAYINGS: readonly [string, string, string][] = [
  [
    'connection to server failed: FATAL:  no pg_hba.conf entry for replication connection from host "10.0.0.1"',
    "fatal",
    "SOURCE_PERMISSION",
  ],
  ["FATAL:  must be superuser or replication role to start walsender", "fatal", "SOURCE_PERMISSION"],
  [
    "FATAL:  permission denied to start WAL sender\nDETAIL:  Only roles with the REPLICATION attribute may start a WAL sender process.",
    "fatal",
    "SOURCE_PERMISSION",
  ],
  ['FATAL:  password authentication failed for user "backup"', "fatal", "SOURCE_AUTH"],
  ["FATAL:  number of requested standby connections exceeds max_wal_senders (currently 1)", "again", "ARCHIVE_BLOCKED"],
  ["ERROR:  requested WAL segment 000000010000000000000003 has already been removed", "restart", "ARCHIVE_BLOCKED"],
  ["ERROR:  requested starting point 0/6000000 on timeline 1 is not in this server's history", "restart", "ARCHIVE_BLOCKED"],
  ["ERROR:  requested starting point 0/6000000 is ahead of the WAL flush position of this server 0/5000000", "again", "SOURCE_UNREACHABLE"],
  ['ERROR:  replication slot "x" does not exist', "restart", "ARCHIVE_BLOCKED"],
  ['ERROR:  replication slot "x" is active for PID 4711', "again", "LEASE_HELD"],
  ['could not write 8192 bytes to WAL file "x": No space left on device', "again", "DISK_FULL"],
  ["FATAL:  the database system is shutting down", "again", "SOURCE_UNREACHABLE"],
  ["pg_receivewal: error: disconnected", "again", "SOURCE_UNREACHABLE"],
  // A server that speaks German, to a role that may not choose another language.
  [
    "connection to server failed: FATAL:  pg_hba.conf lehnt Replikationsverbindung ab für Host »127.0.0.1«, Benutzer »ro«",
    "fatal",
    "SOURCE_PERMISSION",
  ],
  [
    "could not receive data from WAL stream: FEHLER:  das angeforderte WAL-Segment 000000010000000000000003 wurde schon entfernt",
    "restart",
    "ARCHIVE_BLOCKED",
  ],
];

for (const [said, what, code] of SAYINGS) {
  test(`of \`${said.split("\n")[0]}\` follows: ${what}, ${code}`, () => {
    const failure = receiveFailure(`pg_receivewal ended with status 1: pg_receivewal: error: ${said}`, connection);
    assert.equal(failure.what, what);
    assert.equal(failure.error.code, code);
    assert.ok(failure.error.message.includes(connection.label));
    assert.ok(!failure.error.message.includes("secret"));
    // What may be tried again must not look final, and the other way round.
    if (what === "fatal") assert.equal(failure.error.retryable, false);
  });
}

test("a refusal in another language is told by SQLSTATE; a missing CONNECT is not taken for REPLICATION", () => {
  const role = receiveFailure("nur Superuser und Replikationsrollen können WAL-Sender starten", connection, "42501");
  assert.match(role.error.hint, /ALTER ROLE "backup" REPLICATION;/);
  const database = receiveFailure("keine Berechtigung für Datenbank »shop«", connection, "42501");
  assert.equal(database.error.code, "SOURCE_UNREACHABLE");
});

test("a refusal by the access rules names the very line to add", () => {
  const { error } = receiveFailure("no pg_hba.conf entry for replication connection", connection);
  assert.match(error.hint, /host replication "backup" ADDRESS_OF_THIS_MACHINE\/32 scram-sha-256/);
});
