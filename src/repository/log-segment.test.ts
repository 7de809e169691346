import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lsn, segmentOf } from "../../test/support/log.ts";
import { temporaryRepository } from "../../test/support/repository.ts";
import { isLifeboatError } from "../core/errors.ts";
import type { LogSegment } from "../core/log.ts";
import { stemOf } from "../core/log-chain.ts";
import type { Storage } from "../ports/storage.ts";
import { generateIdentity, parseIdentityFile } from "../seal/keys.ts";
import { readSegmentRecord, removeLogFile, storeSegment } from "./log.ts";
import { placeOf } from "./log-place.ts";
import { readSegment } from "./log-segment.ts";
import type { Repository } from "./repository.ts";

const { identity, recipient } = await generateIdentity();
const openKey = { identities: await parseIdentityFile(identity, "test") };
const MIB = 1024 * 1024;

/** The bytes that the server had written when the segment was read: ones, as far as it is filled. */
function bytesTo(filledBytes: number, value = 1): Uint8Array {
  const bytes = new Uint8Array(MIB);
  return bytes.fill(value, 0, filledBytes);
}

const partialTo = (filledBytes: number): LogSegment => segmentOf(0, [], { partial: true, endLsn: lsn(filledBytes / (16 * MIB)) });

async function store(repository: Repository, segment: LogSegment, bytes: Uint8Array): Promise<LogSegment> {
  const { format: _format, plain: _plain, stored: _stored, ...facts } = segment;
  return (await storeSegment(repository, { recipients: [recipient] }, facts, bytes)).record;
}

async function gather(repository: Repository, planned: LogSegment): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readSegment(repository, planned, openKey)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test("R25 a partial segment that a fuller one replaced is read from that one, up to the planned end", async (t) => {
  const repository = await temporaryRepository(t);
  const planned = await store(repository, partialTo(65_536), bytesTo(65_536));
  const wanted = Buffer.from(bytesTo(65_536));
  await store(repository, partialTo(131_072), bytesTo(131_072));
  assert.equal(await readSegmentRecord(repository, { source: "shop", timeline: 1, stem: stemOf(planned) }), undefined);
  assert.deepEqual(await gather(repository, planned), wanted, "a fuller one");
  await store(repository, segmentOf(0, []), bytesTo(MIB));
  assert.deepEqual(await gather(repository, planned), wanted, "the whole one");
});

test("R25 the archive may replace a partial segment repeatedly while it is being read", async (t) => {
  const repository = await temporaryRepository(t);
  const planned = await store(repository, partialTo(65_536), bytesTo(65_536));
  const { storage } = repository;
  let filledBytes = 65_536;
  const swapping: Storage = {
    ...storage,
    async *get(name, options) {
      filledBytes *= 2;
      if (filledBytes < MIB) await store(repository, partialTo(filledBytes), bytesTo(filledBytes));
      yield* storage.get(name, options);
    },
  };
  assert.deepEqual(await gather({ ...repository, storage: swapping }, planned), Buffer.from(bytesTo(65_536)));
  assert.ok(filledBytes >= MIB);
});

test("R25 a replacement with another beginning is refused, and a deleted partial segment is missing", async (t) => {
  const repository = await temporaryRepository(t);
  const planned = await store(repository, partialTo(65_536), bytesTo(65_536));
  await removeLogFile(repository, placeOf(planned)); // or the archive itself would refuse the other one
  await store(repository, partialTo(131_072), bytesTo(131_072, 2));
  await assert.rejects(gather(repository, planned), (error) => isLifeboatError(error, "INTEGRITY"));
  rmSync(join(repository.directory, "sources/shop/log"), { recursive: true });
  await assert.rejects(gather(repository, planned), (error) => isLifeboatError(error, "OBJECT_MISSING"));
});
