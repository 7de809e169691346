// The part of the storage contract that is about racers, bodies that fail, and callers who change their mind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LifeboatError } from "../../src/core/errors.ts";
import type { Storage } from "../../src/ports/storage.ts";
import { bytesOf, collect, digestOf, generatedBytes } from "../support/bytes.ts";
import { hasCode, type StorageFacts, text } from "./storage-facts.ts";

const RACERS = 20;

export function storageRaces(get: () => Storage, open: () => Storage, folder: () => string, facts: StorageFacts): void {
  const conditional = { skip: facts.noConditionalWrites ?? false };

  /** Races the same put from several adapters; returns the indexes of the winners, after checking that all others lost properly. */
  async function race(put: (storage: Storage, racer: number) => Promise<unknown>): Promise<number[]> {
    const storages = [get(), open(), open(), open()];
    const outcomes = await Promise.allSettled(
      Array.from({ length: RACERS }, (_, racer) => put(storages[racer % storages.length] ?? get(), racer)),
    );
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") assert.ok(hasCode("STORAGE_CONFLICT")(outcome.reason), String(outcome.reason));
    }
    return outcomes.flatMap((outcome, racer) => (outcome.status === "fulfilled" ? [racer] : []));
  }

  test("R20 of twenty racing conditional creators exactly one wins", conditional, async () => {
    for (let round = 0; round < 3; round++) {
      const at = `${folder()}race`;
      const winners = await race((storage, racer) => storage.put(at, text(`racer ${racer}`), { ifAbsent: true }));
      assert.equal(winners.length, 1);
      assert.equal((await bytesOf(get().get(at))).toString(), `racer ${winners[0]}`);
    }
  });

  test("R20 of twenty racing conditional replacers exactly one wins", conditional, async () => {
    const at = `${folder()}race`;
    let { etag } = await get().put(at, text("start"));
    for (let round = 0; round < 3; round++) {
      const winners = await race((storage, racer) => storage.put(at, text(`round ${round} racer ${racer}`), { ifMatch: etag }));
      assert.equal(winners.length, 1);
      assert.equal((await bytesOf(get().get(at))).toString(), `round ${round} racer ${winners[0]}`);
      etag = (await get().head(at))?.etag ?? "";
    }
  });

  const inParts = facts.noConditionalMultipart === true ? { skip: "the server ignores conditions on multipart uploads" } : conditional;
  test("R20 of twenty racing conditional creators with large bodies exactly one wins", inParts, async () => {
    const at = `${folder()}large-race`;
    const size = Math.min(facts.largeBytes, 10 * 1024 * 1024);
    const winners = await race((storage, racer) => storage.put(at, generatedBytes(size, racer + 1), { ifAbsent: true }));
    assert.equal(winners.length, 1);
    assert.deepEqual(await digestOf(get().get(at)), await digestOf(generatedBytes(size, (winners[0] ?? 0) + 1)));
  });

  test("R20 a conditional upload in parts is refused by name where the server would ignore the condition", async (t) => {
    if (facts.noConditionalMultipart !== true) return t.skip("this storage honours such conditions");
    const at = `${folder()}large`;
    await assert.rejects(get().put(at, generatedBytes(facts.largeBytes), { ifAbsent: true }), hasCode("STORAGE_REFUSED"));
    assert.equal(await get().head(at), undefined);
  });

  test("a conditional create leaves what exists as it is", conditional, async () => {
    const at = `${folder()}exists`;
    const before = await get().put(at, text("first"));
    await assert.rejects(get().put(at, text("second"), { ifAbsent: true }), hasCode("STORAGE_CONFLICT"));
    assert.deepEqual(await get().head(at), before);
  });

  test("a conditional replace of what is gone or changed is a conflict", conditional, async () => {
    const at = `${folder()}replace`;
    const first = await get().put(at, text("first"));
    const second = await get().put(at, text("second"), { ifMatch: first.etag });
    await assert.rejects(get().put(at, text("third"), { ifMatch: first.etag }), hasCode("STORAGE_CONFLICT"));
    await get().delete(at);
    await assert.rejects(get().put(at, text("third"), { ifMatch: second.etag }), hasCode("STORAGE_CONFLICT"));
    assert.equal(await get().head(at), undefined);
  });

  for (const [size, sizeBytes] of [
    ["small", 10_000],
    ["large", facts.largeBytes],
  ] as const) {
    test(`a ${size} body that throws leaves nothing visible, and its own error comes out`, async () => {
      const root = folder();
      async function* failing() {
        yield* generatedBytes(sizeBytes);
        throw new LifeboatError("DUMP_FAILED", "the dump died");
      }
      await assert.rejects(get().put(`${root}dead`, failing()), hasCode("DUMP_FAILED"));
      assert.equal(await get().head(`${root}dead`), undefined);
      assert.deepEqual(await collect(get().list(root)), []);
      assert.equal(await get().sweep(root, new Date(Date.now() + 3_600_000)), 0, "nothing is left for a sweep either");
    });

    test(`a ${size} body is not committed before it has ended`, async () => {
      const root = folder();
      const { promise: end, resolve: release } = Promise.withResolvers<void>();
      const { promise: drawn, resolve: allDrawn } = Promise.withResolvers<void>();
      async function* withheld() {
        yield* generatedBytes(sizeBytes);
        allDrawn();
        await end;
      }
      const put = get().put(`${root}withheld`, withheld());
      await drawn;
      assert.equal(await get().head(`${root}withheld`), undefined);
      assert.deepEqual(await collect(get().list(root)), []);
      release();
      assert.equal((await put).sizeBytes, sizeBytes);
      assert.equal((await get().head(`${root}withheld`))?.sizeBytes, sizeBytes);
    });

    test(`an abort in the middle of a ${size} upload leaves nothing visible and reports its first cause`, async () => {
      const root = folder();
      const stop = new AbortController();
      async function* endless() {
        yield* generatedBytes(sizeBytes);
        stop.abort(new LifeboatError("LEASE_LOST", "another process took over"));
        await new Promise(() => undefined); // never answers again
      }
      await assert.rejects(get().put(`${root}aborted`, endless(), { signal: stop.signal }), hasCode("LEASE_LOST"));
      assert.equal(await get().head(`${root}aborted`), undefined);
      assert.equal(await get().sweep(root, new Date(Date.now() + 3_600_000)), 0, "nothing is left for a sweep either");
    });
  }

  test("an aborted signal stops every call as CANCELLED", async () => {
    const at = `${folder()}cancelled`;
    await get().put(at, text("here"));
    const signal = AbortSignal.abort();
    const calls: (() => Promise<unknown>)[] = [
      () => get().put(at, text("x"), { signal }),
      () => bytesOf(get().get(at, { signal })),
      () => get().head(at, { signal }),
      () => collect(get().list("", { signal })),
      () => collect(get().listFolders("", { signal })),
      () => get().delete(at, { signal }),
      () => get().sweep("", new Date(0), { signal }),
      () => get().thaw(at, 1, { signal }),
    ];
    for (const call of calls) await assert.rejects(call(), hasCode("CANCELLED"), String(call));
    assert.equal((await bytesOf(get().get(at))).toString(), "here");
  });
}
