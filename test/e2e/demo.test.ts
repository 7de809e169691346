// The demonstration as a user runs it: what it shows, and that it leaves nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { headingsOf, leftOf, root, start, temporaryFolder } from "../support/demo.ts";
import { skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

test("the demonstration ends well, reads as the captured run in the documentation, and leaves nothing", { skip }, async () => {
  const folder = temporaryFolder();
  const { status, stdout, stderr } = await start(folder).ended;
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "", "a log holds no progress");
  assert.ok(!stdout.includes("\x1b") && !stdout.includes("\r"), "a log holds no escapes");
  assert.ok(!stdout.includes("AGE-SECRET-KEY"));
  assert.match(stdout, /rows of public\.orders: all \d+ rows are equal/);
  assert.match(stdout, /ERROR: relation "orders" does not exist/);
  assert.match(stdout, /fingerprint\s+equal to the one taken with the backup/);
  assert.match(stdout, /RTO achieved\s+\S+ m?s \(objective 15m\)/);
  assert.match(stdout, /lost\s+\d+ orders/);
  assert.match(stdout, /documents of reviews: all 30000 documents are equal/);
  assert.match(stdout, /Neon, Atlas\s+both brought back to \S+, equal to the fingerprints of that\s+second/);
  assert.match(stdout, /together\s+RTO \S+ m?s \(objective 30m\), RPO 0 ms \(objective 5m\)/);
  const documented = headingsOf(readFileSync(join(root, "docs/demo.txt"), "utf8"));
  assert.ok(documented.length >= 10);
  assert.deepEqual(headingsOf(stdout), documented, "docs/demo.txt is stale: run `bin/lifeboat demo > docs/demo.txt`");
  assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
});

test("a demonstration without PostgreSQL's programs names the command to run, and leaves nothing", async () => {
  const folder = temporaryFolder();
  const { status, stderr } = await start(folder, [], { LIFEBOAT_POSTGRES_BIN: folder }).ended;
  assert.equal(status, 2);
  assert.match(stderr, /TOOL_MISSING/);
  assert.match(stderr, /next: run `\S.*install.*postgresql.*`, or set LIFEBOAT_POSTGRES_BIN to the folder/);
  assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
});
