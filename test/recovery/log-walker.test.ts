// The log's reader against the log of real servers, judged by PostgreSQL's own pg_waldump.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { isLifeboatError, LifeboatError } from "../../src/core/errors.ts";
import type { CommitMark, SegmentFacts } from "../../src/core/log.ts";
import { compareLsn, formatLsn, parseLsn } from "../../src/core/lsn.ts";
import { openSegment } from "../../src/engines/postgres/log/open-segment.ts";
import { firstCommitAfter, readSegment, recordAt } from "../../src/engines/postgres/log/segments.ts";
import { type LogCluster, logCluster } from "../support/log-cluster.ts";
import { type Judged, judge, writeAtOnce } from "../support/log-judge.ts";
import { openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";

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
  select pg_replication_origin_create('elsewhere');
  select pg_replication_origin_session_setup('elsewhere');
  begin; insert into t (v) values ('o'); savepoint s; insert into t (v) values ('o'); commit;
  begin; insert into t (v) values ('o'); rollback;
  select pg_replication_origin_session_reset();
  select pg_switch_wal();
  insert into t (v) select md5(i::text) from generate_series(1, 3000) i;
  drop table t;
`;

for (const segmentMegabytes of [1, 16]) {
  describe(`a log in segments of ${segmentMegabytes} MB`, { skip: skipWithoutPostgres() }, () => {
    let cluster: LogCluster;
    let judged: Judged[];
    const segments: { name: string; bytes: Uint8Array; facts: SegmentFacts; before: SegmentFacts | undefined }[] = [];

    before(async () => {
      // Logical decoding adds headers of its own to records: the transaction above a savepoint's, and where a change came from.
      const settings = segmentMegabytes === 1 ? { wal_compression: "on" } : { wal_level: "logical" };
      cluster = await logCluster({ segmentMegabytes, settings });
      const connection = cluster.connection();
      // One statement a message, as savepoints, prepared transactions and switches need.
      for (const statement of LOAD.split(";").map((text) => text.trim())) if (statement) await load(statement);
      // A record that begins with a segment, and outlasts it.
      if (segmentMegabytes === 1) await load("select pg_switch_wal(); select pg_logical_emit_message(false, 'test', repeat('y', 5000000))");
      await writeAtOnce(cluster.connection());
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

    let client: Awaited<ReturnType<typeof openApplication>> | undefined;
    const load = async (statement: string): Promise<void> => {
      client ??= await openApplication(cluster.connection());
      await client.query(statement);
    };

    after(() => cluster?.remove());

    test("R25 the reader sees the same records at the same positions as pg_waldump, each after the same one", () => {
      const seen: { lsn: string; previousEnd: string }[] = [];
      for (const { name, bytes, before: from } of segments) {
        const segment = openSegment(name, bytes, from);
        segment.walk((at, previousEnd) => {
          seen.push({ lsn: segment.lsn(at), previousEnd: segment.lsn(previousEnd) });
          return false;
        });
      }
      assert.deepEqual(
        seen.map(({ lsn }) => lsn),
        judged.map(({ lsn }) => lsn),
      );
      // A record counts as ended where the next one begins, but for the header of a page between them.
      for (const [index, { lsn, previousEnd }] of seen.entries()) {
        if (index === 0) continue;
        const between = Number(parseLsn(lsn) - parseLsn(previousEnd));
        assert.ok([0, 24, 40].includes(between), `${previousEnd} ${lsn}`);
        assert.equal(judged[index]?.previous, judged[index - 1]?.lsn);
      }
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
      assert.ok(expected.length >= 100);
      for (const { facts } of segments) {
        if (facts.lastCommit) assert.ok(seen.some((mark) => isDeepStrictEqual(mark, facts.lastCommit)));
        if (facts.firstCommit) assert.ok(seen.some((mark) => isDeepStrictEqual(mark, facts.firstCommit)));
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

    test("R25 the first commit after an instant is the first one in log order that is stamped later", () => {
      const { name, bytes, before: from, facts } = segments.find(({ facts: { lastCommit } }) => lastCommit) as (typeof segments)[number];
      const commits = judged.filter(({ at, lsn }) => at && compareLsn(lsn, facts.startLsn) >= 0 && compareLsn(lsn, facts.endLsn) < 0);
      for (const { at = "" } of commits) {
        const expected = commits.find((commit) => (commit.at as string) > at);
        assert.equal(firstCommitAfter(name, bytes, from, at)?.lsn, expected?.lsn);
      }
      assert.equal(firstCommitAfter(name, bytes, from, "1999-12-31T23:59:59.999999Z", facts.lastCommit?.lsn)?.lsn, facts.lastCommit?.lsn);
    });

    test("R25 the record at a position is the one that begins there, or the first behind it", () => {
      const { name, bytes, before: from, facts } = segments.find(({ facts: { lastCommit } }) => lastCommit) as (typeof segments)[number];
      const last = facts.lastCommit as CommitMark;
      const exact = { lsn: last.lsn, previousEnd: last.previousEnd };
      assert.deepEqual(recordAt(name, bytes, from, last.lsn), exact);
      assert.deepEqual(recordAt(name, bytes, from, formatLsn(parseLsn(last.lsn) - 1n)), exact);
      assert.equal(recordAt(name, bytes, from, facts.nextLsn), undefined);
    });

    test("R25 a segment that does not continue the given one is not linked, and is read nevertheless", () => {
      const [first, second] = [segments[0], segments[1]] as [(typeof segments)[number], (typeof segments)[number]];
      const alone = readSegment(second.name, second.bytes);
      assert.equal(alone.linked, false);
      assert.ok(second.facts.records - alone.facts.records <= 1);
      const facts = first.facts;
      const others: SegmentFacts[] = [
        { ...facts, systemIdentifier: "1" },
        { ...facts, timeline: 2 },
        { ...facts, partial: true },
        { ...facts, tail: undefined },
        { ...facts, tail: { last: 7 } },
        { ...facts, tail: { ...(facts.tail as object), last: "0/28", open: undefined } },
        { ...facts, nextLsn: "0/0" },
      ];
      for (const other of others) {
        const read = readSegment(second.name, second.bytes, other);
        assert.equal(read.linked, false, JSON.stringify(other));
        assert.deepEqual(read.facts.lastCommit, alone.facts.lastCommit);
      }
    });

    test("R25 a partial segment is read up to its end at any position, and a truncated whole one is damaged", () => {
      const random = generator(7);
      const { name, bytes, before: from, facts } = segments.find(({ facts: { records } }) => records > 500) as (typeof segments)[number];
      const mine = judged.filter(({ lsn }) => compareLsn(lsn, facts.startLsn) >= 0 && compareLsn(lsn, facts.endLsn) < 0);
      for (let round = 0; round < 6; round++) {
        const cut = 100 + Math.floor(random() * (lastUsed(bytes) - 200));
        const partial = Uint8Array.from(bytes).fill(0, cut);
        const read = readSegment(`${name}.partial`, partial, from);
        assert.equal(read.facts.partial, true);
        assert.equal(read.facts.name, name);
        const position = formatLsn(parseLsn(facts.startLsn) + BigInt(cut));
        // At most the record that was cut is missing.
        const whole = mine.filter(({ lsn }) => compareLsn(lsn, position) < 0).length;
        assert.ok(read.facts.records >= whole - 2 && read.facts.records <= whole + 1, `cut at ${cut}`);
        assert.ok(compareLsn(read.facts.endLsn, position) <= 8);
        assert.throws(
          () => {
            const damaged = readSegment(name, partial, from);
            // Only a record that runs on may have swallowed the cut.
            if ((damaged.facts.tail as { open?: unknown } | undefined)?.open)
              throw new LifeboatError("INTEGRITY", "seen by the next segment");
          },
          (error) => isLifeboatError(error, "INTEGRITY"),
        );
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

    test("R25 bytes that are overwritten with anything at all never lead the reader astray", () => {
      const random = generator(segmentMegabytes + 100);
      for (let round = 0; round < 20; round++) {
        const { name, bytes, before: from } = segments[Math.floor(random() * segments.length)] as (typeof segments)[number];
        const damaged = Uint8Array.from(bytes);
        const at = Math.floor(random() * bytes.length);
        for (let n = Math.min(bytes.length, at + Math.floor(random() * 20_000)) - 1; n >= at; n--) damaged[n] = Math.floor(random() * 256);
        for (const name_ of [name, `${name}.partial`]) {
          try {
            readSegment(name_, damaged, from);
          } catch (error) {
            assert.ok(isLifeboatError(error, "INTEGRITY"), String(error));
          }
        }
      }
    });

    test("R25 a flipped byte anywhere in a record is found", () => {
      let found = 0;
      let flipped = 0;
      const random = generator(segmentMegabytes);
      for (let round = 0; round < (segmentMegabytes === 1 ? 200 : 60); round++) {
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
      assert.ok(flipped > 40);
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
