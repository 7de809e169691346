// The log receiver with real servers: it delivers the bytes that the server wrote, after any failure of either.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError } from "../../src/core/errors.ts";
import { compareLsn } from "../../src/core/lsn.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { dropSlot } from "../../src/engines/postgres/log/slot.ts";
import { logState } from "../../src/engines/postgres/log/state.ts";
import { logCluster } from "../support/log-cluster.ts";
import { type Collector, collectLog, processesIn } from "../support/log-collector.ts";
import {
  currentLsn,
  hasArrived,
  hasReached,
  reached,
  SLOT,
  slots,
  switchSegment,
  wholeNames,
  withServer,
  write,
} from "../support/log-server.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

test("R25 every delivered byte is the server's, in log order and linked", { skip }, () =>
  withServer({}, async (cluster, collect) => {
    const collector = await collect();
    assert.deepEqual(await slots(cluster), [{ name: SLOT }]);
    assert.ok(collector.notices.some(({ code, message }) => code === "SLOT_UNLIMITED" && /ALTER SYSTEM/.test(message)));
    for (let round = 0; round < 4; round++) {
      await write(cluster, 4_000);
      await switchSegment(cluster);
    }
    const target = await currentLsn(cluster);
    await collector.until(hasReached(target));
    const names = wholeNames(collector);
    assert.ok(names.length >= 4);
    assert.deepEqual(names, [...names].sort());
    for (const { name, kind, bytes, linked } of collector.files) {
      if (kind !== "segment") continue;
      assert.ok(Buffer.from(bytes).equals(await readFile(join(cluster.data, "pg_wal", name))), `${name} is the server's`);
      assert.equal(linked, name !== names[0], `${name} follows the one before it`);
    }
    // What is stored is forgotten here, but for the newest.
    while ((await readdir(collector.directory)).length > 2) await sleep(20);
    const state = await logState(cluster.connection(), SLOT);
    assert.equal(state.slot?.active, true);
    assert.ok(state.warnings.some(({ code }) => code === "SLOT_UNLIMITED"));
    await collector.stop();
    await dropSlot(cluster.connection(), SLOT);
    await dropSlot(cluster.connection(), SLOT);
    assert.deepEqual(await slots(cluster), []);
    assert.deepEqual(processesIn(collector.directory), []);
  }),
);

test("R25 a consumer that is slow loses nothing: what was received waits on disk", { skip }, () =>
  withServer({}, async (cluster, collect) => {
    let open = false;
    const collector = await collect({
      slow: async () => {
        while (!open) await sleep(20);
      },
    });
    await write(cluster, 30_000);
    await switchSegment(cluster);
    const target = await currentLsn(cluster);
    const filled = async (): Promise<number> => (await readdir(collector.directory)).filter((name) => /^[0-9A-F]{24}$/.test(name)).length;
    while ((await filled()) < 8) await sleep(20);
    assert.ok(collector.files.length <= 1);
    open = true;
    await collector.until(hasReached(target));
    const names = wholeNames(collector);
    assert.deepEqual(names, [...new Set(names)].sort());
    assert.ok(
      collector.files
        .filter(({ kind }) => kind === "segment")
        .slice(1)
        .every(({ linked }) => linked),
    );
  }),
);

test("R25 when stopped, it delivers the last partial segment; the next one begins with the remains", { skip }, () =>
  withServer({}, async (cluster, collect) => {
    const first = await collect({ partialEveryMs: 600_000 });
    await write(cluster, 100);
    const target = await currentLsn(cluster);
    await hasArrived(cluster, target);
    await first.stop();
    assert.ok(compareLsn(reached(first), target) >= 0);
    assert.deepEqual(processesIn(first.directory), []);
    await first.receiver.end();
    await write(cluster, 5_000);
    const second = await collect({ directory: first.directory, partialEveryMs: 600_000 });
    await second.until((seen) => wholeNames(seen).length > 0);
    assert.equal(second.files[0]?.name.slice(0, 24), first.files.at(-1)?.name.slice(0, 24));
  }),
);

test("R25 an idle source is made to commit, so that its log proves the present", { skip }, () =>
  withServer({}, async (_cluster, collect) => {
    const collector = await collect({ partialEveryMs: 300 });
    const times = (): Set<string | undefined> => new Set(collector.files.map(({ facts }) => facts?.maxCommitAt));
    await collector.until(() => times().size >= 4);
  }),
);

test("R25 what the source does not allow is refused with the words that allow it, and no slot is left", { skip }, async (t) => {
  const hba = "local all all trust\nlocal replication postgres reject\nlocal replication other trust\n";
  await withServer({ hba }, async (cluster) => {
    await t.test("no line for replication", async () => {
      await assert.rejects(
        collectLog(cluster.connection()),
        (error) => isLifeboatError(error, "SOURCE_PERMISSION") && /local replication "postgres"/.test(error.hint),
      );
    });
    await t.test("no right to replicate", async () => {
      await query(cluster.connection(), "create role other login");
      await assert.rejects(
        collectLog(cluster.connection("postgres", "other")),
        (error) => isLifeboatError(error, "SOURCE_PERMISSION") && /ALTER ROLE "other" REPLICATION/.test(error.hint),
      );
      const state = await logState(cluster.connection("postgres", "other"), SLOT);
      assert.ok(state.warnings.some(({ code, message }) => code === "REPLICATION_MISSING" && /ALTER ROLE other REPLICATION/.test(message)));
    });
    assert.deepEqual(await slots(cluster), []);
  });
});

test("R25 a server that writes too little into its log, or lets no receiver in, is told what to change", { skip }, () =>
  withServer({ settings: { wal_level: "minimal", max_wal_senders: "0" } }, async (cluster) => {
    const state = await logState(cluster.connection(), SLOT);
    const codes = state.warnings.map(({ code }) => code);
    for (const code of ["WAL_LEVEL_MINIMAL", "NO_WAL_SENDERS", "SLOT_UNLIMITED"]) assert.ok(codes.includes(code), code);
    assert.equal(state.slot?.exists, false);
    assert.match(state.systemIdentifier, /^\d{15,}$/);
    await assert.rejects(
      collectLog(cluster.connection()),
      (error) => isLifeboatError(error, "ARCHIVE_BLOCKED") && /max_wal_senders = 10/.test(error.hint),
    );
  }),
);

test("R25 the password reaches the receiving program through its environment alone", { skip }, () =>
  withServer({}, async (cluster) => {
    const { parameters, ...parts } = partsOf(cluster.connection());
    const collector = await collectLog(connectionFromParts({ ...parts, parameters, password: "hunter2 of the sea" }));
    try {
      const [pid] = processesIn(collector.directory);
      assert.ok(pid);
      assert.doesNotMatch(await readFile(`/proc/${pid}/cmdline`, "utf8"), /hunter2/);
      assert.match(await readFile(`/proc/${pid}/environ`, "utf8"), /PGPASSWORD=hunter2/);
    } finally {
      await collector.remove();
    }
  }),
);

test("R25 log of another cluster in the directory stops the receiver before anything is mixed", { skip }, () =>
  withServer({}, async (first, collect) => {
    const collector = await collect();
    await write(first, 100);
    await collector.until((seen) => seen.files.length > 0);
    await collector.stop();
    await withServer({}, async (second) => {
      const other = await collectLog(second.connection(), { directory: collector.directory });
      await assert.rejects(
        other.ended,
        (error) => isLifeboatError(error, "ARCHIVE_BLOCKED") && /another database cluster/.test(error.message),
      );
      assert.deepEqual(await slots(second), []);
    });
  }),
);

test("R25 the receiver of a standby follows it through its promotion, with the history file", { skip }, () =>
  withServer({}, async (primary) => {
    const standby = await logCluster({
      from: async (data) => {
        await primary.run("pg_basebackup", ["-h", primary.root, "-U", "postgres", "-D", data, "-R", "-X", "stream", "-c", "fast"]);
      },
    });
    let collector: Collector | undefined;
    try {
      collector = await collectLog(standby.connection(), { partialEveryMs: 300 });
      await write(primary, 4_000);
      const before = await currentLsn(primary);
      await collector.until(hasReached(before));
      await collector.until(({ notices }) => notices.some(({ code }) => code === "HEARTBEAT_OFF"));
      await primary.kill();
      await query(standby.connection(), "select pg_promote()");
      await write(standby, 4_000);
      const target = await currentLsn(standby);
      await collector.until((seen) => seen.files.some(({ name }) => name === "00000002.history"));
      await collector.until((seen) => seen.files.at(-1)?.facts?.timeline === 2 && compareLsn(reached(seen), target) >= 0);
      const second = collector.files.filter(({ kind, facts }) => kind === "segment" && facts?.timeline === 2);
      assert.ok(second.length > 0 && second.every(({ linked }) => linked), "linked over the switch");
      // As a primary it accepts commits, and the log of an idle one advances.
      const idle = (): Set<string | undefined> => new Set(collector?.files.map(({ facts }) => facts?.maxCommitAt));
      const known = idle().size;
      await collector.until(() => idle().size >= known + 2);
    } finally {
      await collector?.remove();
      await standby.remove();
    }
  }),
);
