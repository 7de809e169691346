import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chownSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { type ErrorCode, isLifeboatError, LifeboatError } from "../../src/core/errors.ts";
import { beginCluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { readControlFile } from "../../src/engines/postgres/cluster/control-file.ts";
import { layoutOf, noteOf, writeNote } from "../../src/engines/postgres/cluster/layout.ts";
import { recordAt } from "../../src/engines/postgres/log/segments.ts";
import { proofOf, undoPlace } from "../../src/engines/postgres/recovery/place.ts";
import { recover } from "../../src/engines/postgres/recovery/recover.ts";
import type { Recovered, RecoveryOrder } from "../../src/ports/physical.ts";
import { testMaker } from "../support/maker.ts";
import { postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";
import { orderFor, origin, partsOfBase, place, walked } from "../support/recovery-origin.ts";

const skip = skipWithoutPostgres();

const rowsOf = async (recovered: Recovered, table = "t"): Promise<number[]> =>
  (await query<{ n: number }>(recovered.connection("postgres"), `select n from ${table} where n > 0 order by n`)).map(({ n }) => n);

const all = [1, 2, 3, 4, 5, 6];

test("a log is replayed though the origin's settings name a locale that this machine lacks", { skip }, async (t) => {
  const directory = join(place, "abroad");
  t.after(() => rmSync(`${directory}-tablespaces`, { recursive: true }));
  const conf = join(directory, "postgresql.auto.conf");
  const end = (await walked()).at(-1)?.facts.endLsn as string;
  const order: RecoveryOrder = {
    ...(await orderFor(t, directory, { expectedEnd: end })),
    step: async (name, run) => {
      const done = await run();
      if (name === "unpack") appendFileSync(conf, "lc_messages = 'tlh_KX.UTF-8'\nwork_mem = '7MB'\n");
      return done;
    },
  };
  const recovered = await recover(order, { configured: postgresBin() });
  assert.deepEqual(await rowsOf(recovered), all);
  await recovered.stop();
  // The server that is handed over runs where that locale may be.
  assert.match(readFileSync(conf, "utf8"), /^lc_messages = 'tlh_KX\.UTF-8'\nwork_mem = '7MB'$/m);
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.startsWith("postgresql.auto.conf")),
    ["postgresql.auto.conf"],
  );
});

test("R22 R57 a umask that shuts other users out keeps no server from its directories", { skip }, async (t) => {
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  const directory = join(place, "masked");
  t.after(() => rmSync(`${directory}-tablespaces`, { recursive: true }));
  const end = (await walked()).at(-1)?.facts.endLsn as string;
  const recovered = await recover(await orderFor(t, directory, { expectedEnd: end }), { configured: postgresBin() });
  assert.deepEqual(await rowsOf(recovered), all);
  await recovered.stop();
  const scratch = await beginCluster({
    directory: join(place, "masked-scratch"),
    bin: postgresBin(),
    jobId: "masked",
    durable: false,
    foreign: { isolation: "required" },
  });
  assert.deepEqual(await query(scratch.connection("postgres"), "select 1 as a"), [{ a: 1 }]);
  await scratch.stop();
});

test("the whole log is replayed, and the data directory is stopped, complete and without our files", {
  skip,
}, async (t) => {
  const directory = join(place, "restored");
  const end = (await walked()).at(-1)?.facts.endLsn as string;
  const recovered = await recover(await orderFor(t, directory, { expectedEnd: end }), { configured: postgresBin() });
  assert.deepEqual([recovered.reachedLsn, recovered.newTimeline, recovered.databases], [end, 2, ["postgres"]]);
  assert.deepEqual(await rowsOf(recovered), all);
  assert.equal((await rowsOf(recovered, "far_t")).length, 106);
  await recovered.stop();
  assert.equal((await readControlFile(postgresBin(), directory)).get("Database cluster state"), "shut down");
  assert.deepEqual(
    readdirSync(place).filter((name) => name.startsWith("restored")),
    ["restored", "restored-tablespaces"],
  );
  const names = readdirSync(directory);
  for (const gone of ["recovery.signal", "postmaster.pid", "tablespace_map", "lifeboat.json"]) assert.ok(!names.includes(gone), gone);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.doesNotMatch(readFileSync(join(directory, "postgresql.auto.conf"), "utf8"), /restore_command|recovery_target/);
  // Any server runs on it.
  const again = await beginCluster({
    directory: join(place, "again"),
    bin: postgresBin(),
    jobId: "again",
    durable: false,
    keep: true,
    existing: { superuser: "postgres", data: directory },
  });
  t.after(() => again.remove());
  assert.deepEqual(await query(again.connection("postgres"), "select max(n) as n from far_t"), [{ n: 1006 }]);
});

test("replay stops exactly before the record that was named", { skip }, async (t) => {
  const { marks } = await origin();
  for (const [index, { lsn }] of [...marks.entries()].filter(([index]) => index === 1 || index === 4)) {
    let stop: { lsn: string; previousEnd: string } | undefined;
    for (const { name, bytes, before } of await walked()) stop ??= recordAt(name, bytes, before, lsn);
    assert.ok(stop);
    const order = await orderFor(t, join(place, `stop-${index}`), { stopBefore: stop.lsn, expectedEnd: stop.previousEnd, temporary: true });
    const recovered = await recover(order, { configured: postgresBin() });
    assert.deepEqual([recovered.reachedLsn, await rowsOf(recovered)], [stop.previousEnd, all.slice(0, index)]);
    await recovered.remove();
    assert.deepEqual(
      readdirSync(place).filter((name) => name.startsWith("stop")),
      [],
    );
  }
});

test("log that is missing never gives a server that is silently short", { skip }, async (t) => {
  const segments = await walked();
  const end = segments.at(-1)?.facts.endLsn as string;
  const { archive, facts } = await origin();
  const needed = segments.filter(({ facts: one }) => one.nextLsn > facts.startLsn);
  for (const [index, missing] of [...needed.entries()].filter(([at]) => at === 0 || at === needed.length - 1)) {
    for (const stopBefore of [undefined, segments.at(-1)?.facts.endLsn]) {
      const order = await orderFor(t, join(place, `short-${index}`), {
        expectedEnd: end,
        stopBefore,
        temporary: true,
        fetchLog: async (name) =>
          name === missing.name || !existsSync(join(archive, name)) ? undefined : createReadStream(join(archive, name)),
      });
      // The log of the backup itself comes with the backup.
      if (index === 0 && stopBefore === undefined) {
        await (await recover(order, { configured: postgresBin() })).remove();
        continue;
      }
      await assert.rejects(recover(order, { configured: postgresBin() }), (error) => isLifeboatError(error, "RECOVERY_SHORT"));
    }
  }
  assert.deepEqual(
    readdirSync(place).filter((name) => name.startsWith("short")),
    [],
  );
});

test("a log file that cannot be had ends the recovery with that very error, and nothing is left", { skip }, async (t) => {
  const cause = new LifeboatError("INTEGRITY", "a segment is damaged");
  const order = await orderFor(t, join(place, "broken"), {
    fetchLog: async (name) => {
      if (name.endsWith("3")) throw cause;
      return createReadStream(join((await origin()).archive, name));
    },
  });
  await assert.rejects(recover(order, { configured: postgresBin() }), (error) => error === cause);
  assert.deepEqual(
    readdirSync(place).filter((name) => name.startsWith("broken")),
    [],
  );
});

test("a recovery that is told to stop stops, and nothing is left", { skip }, async (t) => {
  const controller = new AbortController();
  const reason = new LifeboatError("CANCELLED", "enough");
  const order = await orderFor(t, join(place, "cancelled"), {
    signal: controller.signal,
    fetchLog: async (_name, signal) => {
      const aborted = new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      controller.abort(reason);
      await aborted;
      return undefined;
    },
  });
  await assert.rejects(recover(order, { configured: postgresBin() }), (error) => error === reason);
  assert.deepEqual(
    readdirSync(place).filter((name) => name.startsWith("cancelled")),
    [],
  );
});

test("nothing is restored over anything, and nothing is made where it cannot be finished", { skip }, async (t) => {
  const directory = join(place, "taken");
  mkdirSync(directory);
  writeFileSync(join(directory, "precious"), "x");
  const refused = async (more: Partial<RecoveryOrder>, code: ErrorCode): Promise<void> => {
    const order = await orderFor(t, more.directory ?? directory, more);
    await assert.rejects(recover(order, { configured: postgresBin() }), (error) => isLifeboatError(error, code));
  };
  await refused({}, "RESTORE_TARGET_NOT_EMPTY");
  assert.deepEqual(readdirSync(directory), ["precious"]);
  await refused({ directory: join(directory, "precious") }, "RESTORE_TARGET_INVALID");
  await refused({ directory: join(place, "no", "where") }, "RESTORE_TARGET_INVALID");
  await refused({ directory: join(place, "large"), sizeBytes: 2 ** 60 }, "DISK_FULL");
  await refused({ directory: join(place, "old"), serverMajor: 9 }, "TOOL_MISSING");
  const { base, facts } = await origin();
  const tar = readFileSync(join(base, "base.tar"));
  const part = (bytes: Uint8Array) => ({ name: "base", sizeBytes: bytes.length, bytes: Readable.from([bytes]) });
  const bases: readonly Uint8Array[] = [tar.subarray(0, tar.length / 2), tar.subarray(0, 512 * 3)];
  for (const bytes of bases) {
    const parts = async function* () {
      for await (const one of partsOfBase(base, facts)) yield one.name === "base" ? part(bytes) : one;
    };
    await refused({ directory: join(place, "half"), parts: parts() }, "INTEGRITY");
  }
  const short = async function* () {
    for await (const one of partsOfBase(base, facts)) if (one.name === "base") yield one;
  };
  await refused({ directory: join(place, "half"), parts: short() }, "INTEGRITY");
  assert.deepEqual(
    readdirSync(place).sort(),
    ["again", "archive", "base", "restored", "restored-tablespaces", "space", "taken"].filter((name) => existsSync(join(place, name))),
  );
});

test("R57 a tablespace that the WAL creates at a path of the origin is never touched", {
  skip,
}, async (t) => {
  const { cluster, archive } = await origin();
  const late = join(place, "late");
  mkdirSync(late, { mode: 0o700 });
  const { uid, gid } = statSync(cluster.data);
  chownSync(late, uid, gid);
  const to = cluster.connection("postgres");
  await query(to, `create tablespace late location '${late}'`);
  await query(to, "create table late_t (n int) tablespace late; insert into late_t values (1)");
  const [last] = await query<{ name: string }>(to, "select pg_walfile_name(pg_switch_wal()) as name");
  while (!existsSync(join(archive, last?.name ?? ""))) await query(to, "select pg_sleep(0.05)");
  const production = () => execFileSync("find", [late, "-printf", "%p %s %T@ %C@ %m\n"], { encoding: "utf8" });
  const before = production();
  const end = (await walked()).at(-1)?.facts.endLsn as string;
  const order = await orderFor(t, join(place, "elsewhere"), { expectedEnd: end, temporary: true });
  await assert.rejects(
    recover(order, { configured: postgresBin() }),
    (error) => isLifeboatError(error, "TOOL_FAILED") && error.message.includes(late) && /before that/.test(error.hint),
  );
  assert.equal(production(), before);
  assert.deepEqual(
    readdirSync(place).filter((name) => name.startsWith("elsewhere")),
    [],
  );
  // Without a cell, on the very machine of the origin, the server would find the directory.
  const open = await orderFor(t, join(place, "open"), { expectedEnd: end, temporary: true });
  await assert.rejects(
    recover(open, { configured: postgresBin(), isolation: "none" }),
    (error) => isLifeboatError(error, "TOOL_FAILED") && /makes a tablespace/.test(error.message) && /before that/.test(error.hint),
  );
  assert.equal(production(), before);
});

test("R56 a clean-up removes exactly what the note of its own job names, and nothing that a journal names", async (t) => {
  const maker = testMaker("j");
  const directory = join(place, "finished");
  const work = `${directory}.lifeboat`;
  const outside = join(place, "outside");
  const spaces = `${directory}-tablespaces`;
  for (const path of [directory, outside, spaces]) mkdirSync(path);
  t.after(() => {
    for (const path of [directory, outside, spaces, work]) rmSync(path, { recursive: true, force: true });
  });
  for (const path of [directory, outside, spaces]) writeFileSync(join(path, "PG_VERSION"), "15");
  const resource = { kind: "recovery", locator: { directory, work, tablespaces: outside, host: hostname(), existed: "no" } };
  const left = (path: string): boolean => existsSync(join(path, "PG_VERSION"));
  assert.equal(await undoPlace({ ...resource, locator: { ...resource.locator, host: "elsewhere" } }, maker), "elsewhere");
  assert.equal(await undoPlace(resource, maker), "absent");
  assert.ok(left(directory), "without a note it is finished");
  mkdirSync(work);
  assert.deepEqual([await undoPlace(resource, maker), existsSync(work), left(directory)], ["removed", false, true], "before its note");

  const refused = () => assert.rejects(undoPlace(resource, maker), (error) => isLifeboatError(error, "SCRATCH_FAILED"));
  mkdirSync(join(work, "log"), { recursive: true });
  writeFileSync(join(work, "log", "mine"), "x");
  await refused(); // without a note, with parts of any name
  const facts = { identity: "", existed: false, tablespaces: spaces };
  const { dev, ino } = statSync(directory);
  const note = { directory: work, jobId: "j", host: hostname(), data: directory, unfinished: { ...facts, identity: `${dev}:${ino}` } };
  const proof = proofOf(maker, work);
  for (const changed of [
    { ...note, jobId: "other", proof },
    note,
    { ...note, proof: proofOf(testMaker("j", { secret: "another" }), work) },
  ]) {
    await writeNote(work, noteOf(changed));
    await refused();
  }
  await writeNote(work, noteOf({ ...note, proof, unfinished: { ...note.unfinished, identity: "1:2" } }));
  await refused(); // another directory has taken its place
  await writeNote(work, noteOf({ ...note, proof }));
  if (process.getuid?.() === 0) {
    chownSync(layoutOf(work).note, 1, 1);
    await refused(); // another user's note says nothing
    await writeNote(work, noteOf({ ...note, proof }));
  }
  renameSync(work, `${work}-real`);
  symlinkSync(`${work}-real`, work);
  await refused();
  rmSync(work);
  renameSync(`${work}-real`, work);
  assert.ok([directory, outside, spaces].every(left));
  assert.equal(await undoPlace(resource, maker), "removed");
  assert.deepEqual([directory, spaces, work].map(existsSync), [false, false, false]);
  assert.ok(left(outside), "what only the journal names is never touched");
});

test("R56 a link in the place of a directory of a recovery is not followed", async (t) => {
  const maker = testMaker("j");
  const directory = join(place, "linked");
  const work = `${directory}.lifeboat`;
  const outside = join(place, "outside");
  t.after(() => {
    for (const path of [directory, outside, `${directory}-tablespaces`, work]) rmSync(path, { recursive: true, force: true });
  });
  mkdirSync(outside);
  mkdirSync(work);
  writeFileSync(join(outside, "mine"), "x");
  const { dev, ino } = statSync(outside);
  for (const existed of [true, false]) {
    const unfinished = { tablespaces: `${directory}-tablespaces`, existed, identity: `${dev}:${ino}` };
    await writeNote(
      work,
      noteOf({ directory: work, jobId: "j", host: hostname(), data: directory, proof: proofOf(maker, work), unfinished }),
    );
    for (const link of [directory, `${directory}-tablespaces`]) if (!existsSync(link)) symlinkSync(outside, link);
    const resource = { kind: "recovery", locator: { directory, work, host: hostname() } };
    await assert.rejects(undoPlace(resource, maker), /is not the directory that job j made/);
    assert.equal(readFileSync(join(outside, "mine"), "utf8"), "x");
  }
});
