// Faults around the real program: programs of PostgreSQL that misbehave, and what must hold after a backup that failed.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { postgresBin } from "./postgres.ts";
import type { Ran, Running, World } from "./program.ts";
import { temporaryDirectory } from "./repository.ts";

/** A folder of PostgreSQL's programs in which one is a script around the real one (`$REAL`). */
export async function programsWith(t: TestContext, script: string, changed = "pg_dump"): Promise<string> {
  const bin = await temporaryDirectory(t);
  chmodSync(bin, 0o755);
  const real = postgresBin();
  for (const name of readdirSync(real)) {
    const around = `case "$1" in --version) exec ${real}/${name} --version;; esac\nREAL=${real}/${name}\n${script}`;
    const body = name === changed ? around : `exec ${real}/${name} "$@"`;
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return bin;
}

/** One message of one code, no restore point, nothing left, and neither list nor status is green. */
export async function assertRed(
  world: World,
  ran: Ran,
  expected: { readonly exit: number; readonly code: string; readonly message?: RegExp },
): Promise<void> {
  assert.deepEqual([ran.exit, ran.code], [expected.exit, expected.code], ran.stderr);
  if (expected.message) assert.match(ran.message ?? "", expected.message);
  assert.equal(ran.stdout, "");
  assert.doesNotMatch(ran.stderr, /\n\s+at /, "no stack");
  assert.deepEqual((await world.expect(0, "list", "--json")).json().points, []);
  const status = (await world.expect(4, "status", "--json")).json();
  assert.equal(status.verdict, "fail");
  assert.ok(status.sources[0].reasons.some(({ code }: { code: string }) => code === "NO_BACKUP"));
  await world.assertNothingLeft();
  if (existsSync(join(world.repository, "sources"))) {
    const files = readdirSync(join(world.repository, "sources"), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    assert.deepEqual(
      files.map(({ name }) => name),
      [],
      "nothing of the backup is left",
    );
  }
}

/** Until the file is there: the script around pg_dump makes it. */
export async function untilThere(file: string, running: Running): Promise<void> {
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!existsSync(file)) {
    if (over) assert.fail(`it ended before ${file} was there: ${(await running.ended).stderr}`);
    await sleep(10);
  }
}
