// Forks of real data: exactly the commits that precede a point, judged by the server's own reader of its log.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "../../packages/sandbox/neon/fleet/fleet-types.ts";
import { sizeOf } from "../../packages/sandbox/neon/fleet/place.ts";
import { column, commitsOf, HEAD, instant, note, notes, shop, testFleet } from "../support/fleet.ts";
import { skipWithoutPostgres } from "../support/postgres.ts";

const needsServer = { skip: skipWithoutPostgres() };
const lsn = (position: bigint): string => `${(position >> 32n).toString(16)}/${(position & 0xffffffffn).toString(16)}`.toUpperCase();
test("forks of a line under write load hold exactly the commits before the first one that is later", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  const line = await shop(fleet);
  const began = Date.now();
  const writers = [1, 2, 3, 4].map((writer) =>
    fleet.execute(
      line,
      "shop",
      `do $$ begin for i in 1..400 loop insert into t (note) select repeat('x', (random() * 300)::int) from generate_series(1, 5);
         if random() < 0.1 then rollback; else commit; end if; perform pg_sleep(random() * 0.004 * ${writer}); end loop; end $$`,
    ),
  );
  const early: { line: string; at: Date }[] = [];
  for (let i = 0; i < 2; i++) {
    await sleep(200);
    const at = new Date(Date.now() - 5);
    early.push({ at, line: (await fleet.fork(line, { kind: "time", at })).line });
  }
  const running = await fleet.fork(line, HEAD);
  await Promise.all(writers);
  const ended = Date.now();
  const later: { line: string; at: Date }[] = [];
  for (let i = 0; i < 4; i++) {
    const at = new Date(began + Math.random() * (ended - began));
    later.push({ at, line: (await fleet.fork(line, { kind: "time", at })).line });
  }
  const commits = await commitsOf(directory, line);
  assert.ok(commits.length > 1000);
  const first = commits.findIndex(({ at }) => Date.parse(at.replace(" UTC", "Z").replace(" ", "T")) >= began);
  const places = Array.from({ length: 3 }, () => {
    const { lsn: position } = commits[first + Math.floor(Math.random() * (commits.length - first))] ?? { lsn: 0n };
    return position + BigInt(Math.floor(Math.random() * 40));
  });
  const written = async (fork: string): Promise<Set<string>> => new Set(await column(fleet, fork, "select distinct xid from t"));
  const all = new Set(await column(fleet, line, "select distinct xid from t"));
  const among = (part: readonly { xid: string }[]): Set<string> => new Set(part.map(({ xid }) => xid).filter((xid) => all.has(xid)));

  for (const { line: fork, at } of [...early, ...later]) {
    const limit = `${at.toISOString().replace("T", " ").replace("Z", "")}000 UTC`;
    const stop = commits.findIndex((commit) => commit.at > limit);
    assert.deepEqual(await written(fork), among(stop < 0 ? commits : commits.slice(0, stop)), `fork at ${at.toISOString()}`);
    await fleet.stop(fork);
  }
  for (const place of places) {
    const fork = await fleet.fork(line, { kind: "lsn", lsn: lsn(place) });
    assert.deepEqual(await written(fork.line), among(commits.filter((commit) => commit.lsn < place)), `fork at ${lsn(place)}`);
    await fleet.stop(fork.line);
  }
  const [high = "", low = ""] = running.forkLsn.split("/");
  const head = (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
  assert.deepEqual(await written(running.line), among(commits.filter((commit) => commit.lsn < head)));
});

test("two hundred forks cost nothing until they are started", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  const line = await shop(fleet);
  await fleet.execute(line, "shop", note("a"));
  const at = await instant();
  await fleet.execute(line, "shop", note("b"));
  await fleet.stop(line);
  const before = await sizeOf(directory);
  const forks: string[] = [];
  for (let i = 0; i < 200; i++) forks.push((await fleet.fork(forks[i - 5] ?? line, i % 2 === 0 ? HEAD : { kind: "time", at })).line);
  assert.equal(await sizeOf(directory), before);
  assert.deepEqual(await notes(fleet, forks[198] ?? ""), ["a"]);
  assert.deepEqual(await notes(fleet, forks[0] ?? ""), ["a", "b"]);
});

test("a fork can be forked before its own beginning, after it, and at it", needsServer, async (t) => {
  const { fleet } = await testFleet(t);
  const line = await shop(fleet);
  await fleet.execute(line, "shop", note("1"));
  const one = await instant();
  await fleet.execute(line, "shop", note("2"));
  const fork = await fleet.fork(line, HEAD);
  await fleet.execute(line, "shop", note("only in the parent"));
  assert.deepEqual(await notes(fleet, fork.line), ["1", "2"]);
  const begun = await instant();
  await fleet.execute(fork.line, "shop", note("3"));
  const three = await instant();
  await fleet.execute(fork.line, "shop", note("4"));
  const expected: [Parameters<Fleet["fork"]>[1], string[]][] = [
    [{ kind: "time", at: one }, ["1"]],
    [{ kind: "time", at: begun }, ["1", "2"]],
    [{ kind: "time", at: three }, ["1", "2", "3"]],
    [{ kind: "lsn", lsn: fork.forkLsn }, ["1", "2"]],
    [HEAD, ["1", "2", "3", "4"]],
  ];
  for (const [at, rows] of expected) {
    const child = await fleet.fork(fork.line, at);
    assert.deepEqual(await notes(fleet, child.line), rows, JSON.stringify(at));
    await fleet.stop(child.line);
  }
  // Never started itself, a fork is as good a parent as any.
  const never = await fleet.fork(fork.line, { kind: "time", at: three });
  for (const [at, rows] of [
    [HEAD, ["1", "2", "3"]],
    [{ kind: "time", at: one }, ["1"]],
  ] as const) {
    assert.deepEqual(await notes(fleet, (await fleet.fork(never.line, at)).line), rows, JSON.stringify(at));
  }
  await assert.rejects(fleet.fork(never.line, { kind: "lsn", lsn: await fleet.headLsn(fork.line) }), RangeError);
});

test("points before the beginning and after the head are refused", needsServer, async (t) => {
  const { fleet } = await testFleet(t);
  const before = await instant();
  const line = await shop(fleet);
  const fork = await fleet.fork(line, HEAD);
  await fleet.execute(line, "shop", note("a"));
  const head = await fleet.headLsn(line);
  for (const at of [
    { kind: "time", at: before },
    { kind: "time", at: new Date(Date.now() + 1000) },
    { kind: "lsn", lsn: "0/1" },
    { kind: "lsn", lsn: "FF/0" },
  ] as const) {
    await assert.rejects(fleet.fork(line, at), RangeError, JSON.stringify(at));
    await assert.rejects(fleet.fork(fork.line, at), RangeError, JSON.stringify(at));
  }
  await assert.rejects(fleet.fork(fork.line, { kind: "lsn", lsn: head }), RangeError);
  assert.deepEqual(await notes(fleet, (await fleet.fork(line, { kind: "lsn", lsn: head })).line), ["a"]);
  assert.equal((await fleet.fork(line, HEAD)).forkLsn, await fleet.headLsn(line));
});

test("a commit that did not wait for the WAL is in a fork of the head as well", needsServer, async (t) => {
  const { fleet } = await testFleet(t);
  const line = await shop(fleet);
  for (let i = 0; i < 3; i++) {
    await fleet.execute(line, "shop", `set synchronous_commit = off; ${note(`a${i}`)}`);
    const fork = await fleet.fork(line, HEAD);
    assert.equal((await notes(fleet, fork.line)).length, i + 1);
  }
});

test("forks keep running when their parent line is removed, whose files go with the last of them", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  const line = await shop(fleet);
  await fleet.execute(line, "shop", note("a"));
  const at = await instant();
  await fleet.execute(line, "shop", note("b"));
  const fork = await fleet.fork(line, HEAD);
  const never = await fleet.fork(line, HEAD);
  await fleet.remove(line);
  await assert.rejects(fleet.start(line), RangeError);
  await fleet.remove(never.line);
  assert.ok(!existsSync(join(directory, "lines", line, "data", "base")));
  assert.ok(Number((await fleet.facts(fork.line)).sizeBytes) > 1_000_000);
  assert.deepEqual(await notes(fleet, fork.line), ["a", "b"]);
  const past = await fleet.fork(fork.line, { kind: "time", at });
  await fleet.remove(fork.line);
  assert.deepEqual(await notes(fleet, past.line), ["a"]);
  await fleet.remove(past.line);
  assert.equal(await sizeOf(join(directory, "lines")), 0);
});
