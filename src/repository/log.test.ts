import assert from "node:assert/strict";
import { readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { at, baseOf, lsn, nameOf, segmentOf } from "../../test/support/log.ts";
import { drivenClock, temporaryDirectory, temporaryRepository } from "../../test/support/repository.ts";
import { isLifeboatError } from "../core/errors.ts";
import type { LogSegment } from "../core/log.ts";
import { stemOf } from "../core/log-chain.ts";
import { viewLog } from "../core/log-window.ts";
import { generateIdentity, parseIdentityFile } from "../seal/keys.ts";
import { openCatalog } from "./catalog.ts";
import {
  clearLogDamage,
  linkSegment,
  markLogDamage,
  readLogBytes,
  readSegmentRecord,
  removeLogFile,
  storeHistory,
  storeSegment,
} from "./log.ts";
import { historyPlace, placeOf } from "./log-place.ts";
import { recordLogRemoval } from "./removals.ts";
import type { Repository } from "./repository.ts";
import { objectOfSignature } from "./signed.ts";

const { identity, recipient } = await generateIdentity();
const key = { recipients: [recipient] };
const openKey = { identities: await parseIdentityFile(identity, "test") };

/** The bytes of a tiny segment, filled with the number. */
const bytesOf = (number: number): Uint8Array => new Uint8Array(64 * 1024).fill(number);

function factsOf(segment: LogSegment): Omit<LogSegment, "format" | "plain" | "stored"> {
  const { format: _format, plain: _plain, stored: _stored, ...facts } = segment;
  return facts;
}

const store = (repository: Repository, segment: LogSegment, bytes = bytesOf(1)) => storeSegment(repository, key, factsOf(segment), bytes);

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

/** Asserts that each JSON has its signature beside it, and returns the names without signatures. */
function filesOf(directory: string): string[] {
  const names = readdirSync(join(directory, "sources/shop/log/00000001")).sort();
  const signed = names.flatMap((name) => objectOfSignature(name) ?? []);
  assert.deepEqual(
    signed,
    names.filter((name) => name.endsWith(".json")),
  );
  return names.filter((name) => objectOfSignature(name) === undefined);
}

test("R25 a segment is stored sealed, described by its JSON, and read back byte by byte", async (t) => {
  const repository = await temporaryRepository(t);
  const { storage, directory } = repository;
  const { record, existed } = await store(repository, segmentOf(1, [[0.5, 10]]), bytesOf(7));
  assert.equal(existed, false);
  assert.deepEqual(filesOf(directory), [`${nameOf(1)}.json`, `${nameOf(1)}.zst.age`]);
  const envelope = { type: "log-segment", repository: repository.identity.id };
  assert.deepEqual(await readSegmentRecord(repository, placeOf(record)), { ...JSON.parse(JSON.stringify(record)), ...envelope });
  assert.deepEqual(await gather(readLogBytes(storage, placeOf(record), record, openKey)), Buffer.from(bytesOf(7)));
});

test("R25 storing the same segment again writes nothing; a different one of its name is refused", async (t) => {
  const repository = await temporaryRepository(t);
  const { storage, directory } = repository;
  const first = await store(repository, segmentOf(1, []), bytesOf(7));
  const before = await storage.head(`sources/shop/log/00000001/${nameOf(1)}.zst.age`);
  const again = await store(repository, segmentOf(1, []), bytesOf(7));
  assert.deepEqual([again.existed, again.record.stored], [true, first.record.stored]);
  await assert.rejects(store(repository, segmentOf(1, []), bytesOf(8)), (error) => isLifeboatError(error, "LOG_INVALID"));
  assert.equal((await storage.head(`sources/shop/log/00000001/${nameOf(1)}.zst.age`))?.etag, before?.etag);
  assert.equal(filesOf(directory).length, 2);
});

test("R25 concurrent stores of the same segment end with bytes and JSON that match", async (t) => {
  const repository = await temporaryRepository(t);
  const { storage } = repository;
  await Promise.all(Array.from({ length: 6 }, () => store(repository, segmentOf(1, []), bytesOf(7)).catch(() => undefined)));
  const record = await readSegmentRecord(repository, { source: "shop", timeline: 1, stem: nameOf(1) });
  assert.ok(record);
  assert.deepEqual(await gather(readLogBytes(storage, placeOf(record), record, openKey)), Buffer.from(bytesOf(7)));
});

test("R25 bytes that a crash left without their JSON do not count and are overwritten", async (t) => {
  const repository = await temporaryRepository(t);
  const { directory } = repository;
  const { record } = await store(repository, segmentOf(1, []), bytesOf(7));
  rmSync(join(directory, `sources/shop/log/00000001/${nameOf(1)}.json`));
  assert.equal(await readSegmentRecord(repository, placeOf(record)), undefined);
  assert.equal((await store(repository, segmentOf(1, []), bytesOf(7))).existed, false);
});

test("R25 a partial segment that is replaced while the log is read is not its end", async (t) => {
  const repository = await temporaryRepository(t);
  const { storage } = repository;
  const partial = (filled: number): LogSegment => segmentOf(1, [], { partial: true, endLsn: lsn(1 + filled) });
  await store(repository, segmentOf(0, []));
  await store(repository, partial(0.001));
  let filled = 0.001;
  /** Stores the next partial segment, which deletes the one before, at one moment of a reading. */
  const replacedAt = (moment: "listed" | "half listed" | "read"): Repository => {
    let left = 1;
    const replace = async (): Promise<boolean> => {
      if (left-- <= 0) return false;
      filled += 0.001;
      await store(repository, partial(filled));
      return true;
    };
    async function* list(...args: Parameters<typeof storage.list>): ReturnType<typeof storage.list> {
      for await (const object of storage.list(...args)) {
        yield object;
        const isPartial = object.name.includes(".partial-") && object.name.endsWith(".json");
        if (moment === "half listed" && isPartial && (await replace())) return;
      }
      if (moment === "listed") await replace();
    }
    async function* get(...args: Parameters<typeof storage.get>): ReturnType<typeof storage.get> {
      if (moment === "read" && args[0].includes(".partial-")) await replace();
      yield* storage.get(...args);
    }
    return { ...repository, storage: Object.assign(Object.create(storage) as typeof storage, { list, get }) };
  };
  for (const known of [true, false]) {
    for (const moment of ["listed", "half listed", "read"] as const) {
      const state = await temporaryDirectory(t);
      const catalog = openCatalog(repository, state);
      if (known) await catalog.log("shop");
      catalog.close();
      const before = partial(filled).endLsn;
      const reader = openCatalog(replacedAt(moment), state);
      const { segments, damage, doubts } = await reader.log("shop");
      reader.close();
      const after = partial(filled).endLsn;
      if (!known) assert.notEqual(before, after);
      assert.ok([before, after].includes(segments.at(-1)?.endLsn ?? ""), `${moment}, ${known ? "known" : "unknown"} before`);
      assert.deepEqual([segments.length, damage.size, doubts], [2, 0, []]);
    }
  }
});

test("R25 only the newest partial segment is kept, up to its last complete record, until the whole one is", async (t) => {
  const repository = await temporaryRepository(t);
  const { storage, directory } = repository;
  const partial = (filled: number): LogSegment => segmentOf(0, [], { partial: true, endLsn: lsn(filled) });
  const [early, late] = [partial(0.001), partial(0.002)];
  await store(repository, early);
  const { record } = await store(repository, late);
  assert.deepEqual(filesOf(directory), [`${stemOf(late)}.json`, `${stemOf(late)}.zst.age`]);
  const plain = await gather(readLogBytes(storage, placeOf(record), record, openKey));
  const filledBytes = Math.round(0.002 * 16 * 1024 * 1024);
  assert.deepEqual([plain.length, plain[filledBytes - 1], plain[filledBytes]], [64 * 1024, 1, 0]);
  await store(repository, segmentOf(0, []));
  assert.deepEqual(filesOf(directory), [`${nameOf(0)}.json`, `${nameOf(0)}.zst.age`]);
});

test("R25 a segment that does not continue its partial one is refused: it is another server's", async (t) => {
  const repository = await temporaryRepository(t);
  const { directory } = repository;
  const refused = (work: Promise<unknown>) => assert.rejects(work, (error) => isLifeboatError(error, "LOG_INVALID"));
  const partial = (filled: number, seconds: number): LogSegment =>
    segmentOf(0, [[filled / 2, seconds]], { partial: true, endLsn: lsn(filled) });
  await store(repository, partial(0.002, 10));
  const first = filesOf(directory);
  // Two servers were restored from one backup: the second writes the same names on the same timeline, from the same position.
  await refused(store(repository, partial(0.003, 20), bytesOf(2)));
  await refused(store(repository, partial(0.001, 20), bytesOf(2)));
  await refused(store(repository, segmentOf(0, []), bytesOf(2)));
  assert.deepEqual(filesOf(directory), first);
  await store(repository, segmentOf(0, [[0.001, 10]]));
  await refused(store(repository, partial(0.0005, 20), bytesOf(2)));
  await store(repository, partial(0.001, 10)); // what a receiver that was stopped offers again
  await store(repository, segmentOf(0, [[0.001, 10]]));
  assert.deepEqual(filesOf(directory), [`${nameOf(0)}.json`, `${nameOf(0)}.zst.age`]);
});

test("R25 the archive lists segments, histories, and damage that the listing shows", async (t) => {
  const repository = await temporaryRepository(t);
  const { directory } = repository;
  const catalog = openCatalog(repository, await temporaryDirectory(t));
  t.after(() => catalog.close());
  for (const number of [1, 2, 3, 4]) await store(repository, segmentOf(number, [[0.5, number * 10]]), bytesOf(number));
  await storeHistory(
    repository,
    key,
    { source: "shop", timeline: 2, entries: [{ timeline: 1, switchedAt: lsn(5) }], archivedAt: "2026-11-21T00:00:00.000Z" },
    new TextEncoder().encode("1\t0/5000000\tno recovery target specified\n"),
  );
  const listed = await catalog.log("shop");
  assert.deepEqual(
    listed.segments.map(({ name }) => name),
    [1, 2, 3, 4].map((number) => nameOf(number)),
  );
  assert.deepEqual(listed.histories.get(2), [{ timeline: 1, switchedAt: lsn(5) }]);
  assert.deepEqual([listed.damage.size, listed.orphans.length, listed.flaws.length], [0, 0, 0]);

  const path = (number: number, suffix: string): string => join(directory, `sources/shop/log/00000001/${nameOf(number)}.${suffix}`);
  truncateSync(path(2, "zst.age"), 10);
  rmSync(path(3, "zst.age"));
  rmSync(path(4, "json"));
  await markLogDamage(
    repository,
    { source: "shop", timeline: 1, stem: nameOf(1) },
    { at: new Date("2026-11-21T05:00:00Z"), message: "chunk 3" },
  );
  const again = await catalog.log("shop");
  assert.deepEqual(
    [...again.damage].sort().map(([stem, { kind, says }]) => [stem, kind, says]),
    [
      [nameOf(1), "damaged", "was found damaged on 2026-11-21 05:00 UTC (chunk 3)"],
      [nameOf(2), "damaged", `is damaged: 10 bytes are stored and ${listed.segments[1]?.stored.sizeBytes} were written`],
      [nameOf(3), "missing", "is missing: its bytes are not stored"],
    ],
  );
  assert.deepEqual(
    again.orphans.map(({ stem }) => stem),
    [nameOf(4)],
  );
  assert.deepEqual(
    again.segments.map(({ name }) => name),
    [1, 2, 3].map((number) => nameOf(number)),
  );
  await clearLogDamage(repository, { source: "shop", timeline: 1, stem: nameOf(1) });
  assert.equal((await catalog.log("shop")).damage.has(nameOf(1)), false);
});

test("R25 a segment whose JSON is damaged does not count and does not hide others", async (t) => {
  const repository = await temporaryRepository(t);
  const catalog = openCatalog(repository, await temporaryDirectory(t));
  t.after(() => catalog.close());
  for (const number of [1, 2]) await store(repository, segmentOf(number, []), bytesOf(number));
  await repository.storage.put(`sources/shop/log/00000001/${nameOf(1)}.json`, new TextEncoder().encode('{"format":1}'));
  const { segments, flaws } = await catalog.log("shop");
  assert.deepEqual(
    segments.map(({ name }) => name),
    [nameOf(2)],
  );
  assert.match(flaws[0] ?? "", /00000001\.json in .* is damaged: /);
});

test("R56 log that is missing without a signed removal, and unsigned log, are named", async (t) => {
  const repository = await temporaryRepository(t);
  const catalog = openCatalog(repository, await temporaryDirectory(t));
  t.after(() => catalog.close());
  const { record: first } = await store(repository, segmentOf(1, []), bytesOf(1));
  const { record: last } = await store(repository, segmentOf(2, []), bytesOf(2));
  assert.deepEqual((await catalog.log("shop")).doubts, []);
  const kept: [string, Uint8Array][] = [];
  for await (const { name } of repository.storage.list("sources/shop/log/00000001/000000010000000000000002")) {
    kept.push([name, await gather(repository.storage.get(name))]);
    await repository.storage.delete(name);
  }
  const codes = async (): Promise<string[]> => (await catalog.log("shop")).doubts.map(({ code }) => code);
  assert.deepEqual(await codes(), ["LOG_MISSING"], "the newest is missing");
  assert.deepEqual(await codes(), ["LOG_MISSING"], "and is still reported");
  for (const [name, bytes] of kept) if (objectOfSignature(name) === undefined) await repository.storage.put(name, bytes);
  assert.deepEqual(await codes(), ["LOG_UNSIGNED", "LOG_MISSING"], "back without its signature");
  assert.deepEqual(
    (await catalog.log("shop")).segments.map(({ name }) => name),
    [first.name],
  );
  for (const [name, bytes] of kept) await repository.storage.put(name, bytes);
  assert.deepEqual(await codes(), []);
  await recordLogRemoval(repository, "shop", [{ timeline: 1, throughLsn: first.nextLsn }], { now: () => new Date() });
  await removeLogFile(repository, placeOf(first));
  assert.deepEqual(await codes(), [], "expired log is not reported");
  assert.equal(last.name, (await catalog.log("shop")).segments[0]?.name);
});

test("R25 a link that is found later joins two windows", async (t) => {
  const repository = await temporaryRepository(t);
  const catalog = openCatalog(repository, await temporaryDirectory(t));
  t.after(() => catalog.close());
  const { record: later } = await store(repository, segmentOf(2, [[0.5, 20]], { after: undefined }), bytesOf(2));
  const { record: earlier } = await store(repository, segmentOf(1, [[0.5, 10]]), bytesOf(1));
  const bases = [baseOf("b", 1.1, 1.2, 5)];
  assert.equal(viewLog(bases, await catalog.log("shop")).window?.latest, at(10));
  await linkSegment(repository, later, { name: earlier.name, sha256: earlier.plain.sha256 });
  assert.equal(viewLog(bases, await catalog.log("shop")).window?.latest, at(20));
});

test("R25 deleting a file of the log deletes all its objects", async (t) => {
  const repository = await temporaryRepository(t, drivenClock());
  const { directory } = repository;
  const { record } = await store(repository, segmentOf(1, []));
  await store(repository, segmentOf(2, []));
  await removeLogFile(repository, placeOf(record));
  await removeLogFile(repository, historyPlace("shop", 9));
  assert.deepEqual(filesOf(directory), [`${nameOf(2)}.json`, `${nameOf(2)}.zst.age`]);
});
