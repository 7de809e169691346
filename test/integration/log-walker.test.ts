// The log's reader against the log of real servers, judged by PostgreSQL's own pg_waldump.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import type { CommitMark, SegmentFacts } from "../../src/core/log.ts";
import { compareLsn, firstCommitAfter, readSegment, recordAt } from "../../src/engines/postgres/log/segments.ts";
import { type LogCluster, logCluster } from "../support/log-cluster.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

const LOAD = `
  create table t (id serial primary key, v text);
  insert into t (v) select md5(i::text) from generate_series(1, 20000) i;
  begin; insert into t (v) values ('a'); savepoint s; insert into t (v) values ('b'); rollback to s; savepoint q;
  insert into t (v) values ('d'); release q; commit;
  begin; insert into t (v) values ('p'); prepare transaction 'one';
  begin; insert into t (v) values ('p'); prepare transaction 'two';
  commit prepared 'one'; rollback prepared 'two';
  begin; insert into t (v) values ('x'); rollback;
  select pg_logical_emit_message(true, 'test', repeat('x', 1000000));
  checkpoint; update t set v = v || 'z';
  select pg_create_restore_point('here');
  select pg_switch_wal();
  insert into t (v) select md5(i::text) from generate_series(1, 3000) i;
  drop table t;
`;

interface Judged {
  readonly lsn: string;
  readonly previous: string;
  readonly at: string | undefined;
}

/** What pg_waldump sees, with its positions written as the server writes them elsewhere. */
async function judge(cluster: LogCluster, first: string, last: string): Promise<Judged[]> {
  const text = await cluster.run("pg_waldump", ["-p", join(cluster.data, "pg_wal"), first, last]);
  const plain = (lsn: string): string => lsn.replace(/\/0*(?=.)/, "/");
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const match = /lsn: (\S+), prev (\S+), desc: (.*)$/.exec(line);
      assert.ok(match, line);
      const [, lsn = "", previous = "", description = ""] = match;
      const stamp = /^rmgr: Transaction /.test(line)
        ? /^(?:COMMIT|ABORT)(?:_PREPARED)? (?:[^:]*: )?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{6}) UTC/.exec(description)
        : null;
      return { lsn: plain(lsn), previous: plain(previous), at: stamp ? `${stamp[1]}T${stamp[2]}Z` : undefined };
    });
}

for (const segmentMegabytes of [1, 16]) {
  describe(`a log in segments of ${segmentMegabytes} MB`, { skip: skipWithoutPostgres() }, () => {
    let cluster: LogCluster;
    let judged: Judged[];
    const segments: { name: string; bytes: Uint8Array; facts: SegmentFacts; before: SegmentFacts | undefined }[] = [];

    before(async () => {
      cluster = await logCluster({ segmentMegabytes, settings: { wal_compression: segmentMegabytes === 1 ? "on" : "off" } });
      const connection = cluster.connection();
      // One statement a message, as savepoints, prepared transactions and switches need.
      for (const statement of LOAD.split(";").map((text) => text.trim())) if (statement) await load(statement);
      if (segmentMegabytes === 1) await load("select pg_logical_emit_message(false, 'test', repeat('y', 5000000))");
      await load("select pg_switch_wal()");
      // A commit waits until everything before it is written.
      await load("create table flushed ()");
      await client?.close();
      const [row] = await query<{ name: string }>(connection, "select pg_walfile_name(pg_current_wal_lsn()) as name");
      const directory = join(cluster.data, "pg_wal");
      const names = (await readdir(directory)).filter((name) => /^[0-9A-F]{24}$/.test(name) && name < String(row?.name)).sort();
      let facts: SegmentFacts | undefined;
      for (const name of names) {
        const bytes = await readFile(join(directory, name));
        const before_ = facts;
        const read = readSegment(name, bytes, before_);
        assert.equal(read.linked, before_ !== undefined, `${name} follows the one before it`);
        // As it comes back from storage.
        facts = JSON.parse(JSON.stringify(read.facts)) as SegmentFacts;
        segments.push({ name, bytes, facts, before: before_ });
      }
      judged = await judge(cluster, names[0] as string, names.at(-1) as string);
    });

    let client: Awaited<ReturnType<typeof import("../../src/engines/postgres/connect/client.ts").openClient>> | undefined;
    const load = async (statement: string): Promise<void> => {
      client ??= await (await import("../../src/engines/postgres/connect/client.ts")).openClient(cluster.connection());
      await client.query(statement);
    };

    after(() => cluster?.remove());

    test("R25 the reader sees the same records at the same positions as pg_waldump", () => {
      const seen: { lsn: string; previousEnd: string }[] = [];
      for (const { name, bytes, before: from } of segments) {
        let wanted = "0/0";
        for (;;) {
          const found = recordAt(name, bytes, from, wanted);
          if (!found) break;
          seen.push(found);
          const [high = "", low = ""] = found.lsn.split("/");
          wanted = `${high}/${(Number.parseInt(low, 16) + 1).toString(16)}`;
          // Reading from the start for every record is slow: some of each segment are enough here, the count has them all.
          if (seen.length % 400 === 0) break;
        }
      }
      const expected = new Set(judged.map(({ lsn }) => lsn));
      for (const { lsn } of seen) assert.ok(expected.has(lsn), `pg_waldump knows a record at ${lsn}`);
      assert.equal(
        segments.reduce((sum, { facts }) => sum + facts.records, 0),
        judged.length,
      );
      assert.ok(judged.length > 1000);
    });

    test("R25 the reader sees the same commits and aborts, with the same times, as pg_waldump", () => {
      const seen: CommitMark[] = [];
      for (const { name, bytes, before: from } of segments) {
        let start: string | undefined;
        for (;;) {
          const found = firstCommitAfter(name, bytes, from, "1999-01-01T00:00:00.000000Z", start);
          if (!found) break;
          seen.push(found);
          const [high = "", low = ""] = found.lsn.split("/");
          start = `${high}/${(Number.parseInt(low, 16) + 1).toString(16)}`;
        }
      }
      const expected = judged.filter(({ at }) => at !== undefined);
      assert.deepEqual(
        seen.map(({ lsn, at }) => ({ lsn, at })),
        expected.map(({ lsn, at }) => ({ lsn, at })),
      );
      assert.ok(expected.length >= 10);
      for (const { facts } of segments) {
        const own = seen.filter(({ lsn }) => {
          const position = judged.findIndex((record) => record.lsn === lsn);
          const next = judged[position + 1]?.lsn ?? facts.nextLsn;
          return compareLsn(next, facts.startLsn) >= 0 && compareLsn(lsn, facts.endLsn) < 0 && compareLsn(next, facts.startLsn) > 0;
        });
        if (facts.lastCommit && own.length > 0) assert.ok(own.some(({ lsn }) => lsn === facts.lastCommit?.lsn));
      }
      const greatest = segments.flatMap(({ facts }) => facts.maxCommitAt ?? []).sort();
      assert.equal(
        greatest.at(-1),
        expected
          .map(({ at }) => at as string)
          .sort()
          .at(-1),
      );
    });

    test("R25 where the record before ends is where the server says that replay has come to", () => {
      // The first record at or after a position, and the end of the one before: nothing lies between them but padding and headers.
      for (const { name, bytes, before: from, facts } of segments.slice(0, 3)) {
        if (!facts.lastCommit) continue;
        const found = recordAt(name, bytes, from, facts.lastCommit.lsn);
        assert.deepEqual(found, { lsn: facts.lastCommit.lsn, previousEnd: facts.lastCommit.previousEnd });
        assert.ok(compareLsn(facts.lastCommit.previousEnd, facts.lastCommit.lsn) <= 0);
      }
    });

    /** Whether the chain of segments breaks from the damaged one on: at once, or where the record that runs on ends. */
    const isNoticed = (index: number, damaged: Uint8Array): boolean => {
      let facts = segments[index]?.before;
      try {
        for (let at = index; at < segments.length; at++) {
          const { name, bytes } = segments[at] as (typeof segments)[number];
          const read = readSegment(name, at === index ? damaged : bytes, facts);
          if (at > 0 && !read.linked) return true;
          if (!(read.facts.tail as { open?: unknown } | undefined)?.open) return false;
          facts = read.facts;
        }
      } catch (error) {
        assert.ok(isLifeboatError(error, "INTEGRITY"), String(error));
        return true;
      }
      throw new Error("the last segment ends inside a record");
    };

    test("R25 a flipped byte anywhere in a record is found", () => {
      let found = 0;
      let flipped = 0;
      const random = generator(segmentMegabytes);
      for (let round = 0; round < 150; round++) {
        const index = Math.floor(random() * segments.length);
        const { name, bytes, facts } = segments[index] as (typeof segments)[number];
        const used = Math.min(bytes.length, facts.endLsn === facts.nextLsn ? lastUsed(bytes) : bytes.length);
        const at = Math.floor(random() * used);
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (damaged[at] as number) ^ (1 << Math.floor(random() * 8));
        if (mayBeAnything(bytes, at)) continue;
        flipped++;
        if (isNoticed(index, damaged)) found++;
        else assert.fail(`byte ${at} of ${name}`);
      }
      assert.equal(found, flipped);
      assert.ok(flipped > 100);
    });
  });
}

/** Behind a switch there are zeros alone. */
function lastUsed(bytes: Uint8Array): number {
  let at = bytes.length;
  while (at > 0 && bytes[at - 1] === 0) at--;
  return at;
}

/** Padding behind a record or in a page's header, and the flag that a page may be removed: nothing vouches for them, nothing reads them. */
function mayBeAnything(bytes: Uint8Array, at: number): boolean {
  const inPage = at % 8192;
  return (
    (inPage >= 20 && inPage < 24) || inPage === 2 || (bytes[at] === 0 && bytes.subarray(at, (at + 8) & ~7).every((byte) => byte === 0))
  );
}

/** Repeatable, so that a failure can be looked at again. */
function generator(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}
