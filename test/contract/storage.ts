// The contract of every storage. The test of an adapter passes a factory and its facts.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Storage } from "../../src/ports/storage.ts";
import { bytesOf, collect, digestOf, generatedBytes } from "../support/bytes.ts";
import { hasCode, type StorageFacts, type StorageUnderTest, text } from "./storage-facts.ts";
import { storageRaces } from "./storage-races.ts";

export function storageContract(name: string, make: () => Promise<StorageUnderTest>, facts: StorageFacts): void {
  describe(`storage contract: ${name}`, { skip: facts.skip ?? false }, () => {
    let place: StorageUnderTest;
    let storage: Storage;
    const opened: Storage[] = [];
    const open = (): Storage => {
      const another = place.open();
      opened.push(another);
      return another;
    };
    const folder = (): string => `t-${randomUUID().slice(0, 8)}/`;

    before(async () => {
      place = await make();
      storage = open();
    });
    after(async () => {
      await Promise.all(opened.map((one) => one.close()));
      await place?.close();
    });

    test("what was put comes back, with its facts", async () => {
      const at = `${folder()}deep/er/object.json`;
      const info = await storage.put(at, text("hello"));
      assert.equal(info.name, at);
      assert.equal(info.sizeBytes, 5);
      assert.deepEqual(await storage.head(at), info);
      assert.equal((await bytesOf(storage.get(at))).toString(), "hello");
      assert.deepEqual(await collect(storage.list(at)), [info]);
    });

    test("R56 the storage tells its own time, by the clock that stamps what is written", async () => {
      const at = `${folder()}clock`;
      const before = await storage.now();
      const { modifiedAt } = await storage.put(at, text("x"));
      const after = await storage.now();
      const second = 1000; // as coarse as a stamp may be, at either end
      assert.ok(before.getTime() - second <= modifiedAt.getTime(), `${before.toISOString()} before ${modifiedAt.toISOString()}`);
      assert.ok(modifiedAt.getTime() <= after.getTime() + second, `${modifiedAt.toISOString()} before ${after.toISOString()}`);
    });

    test("an unconditional put replaces, and the etag changes with the bytes", async () => {
      const at = `${folder()}object`;
      const first = await storage.put(at, text("one"));
      const second = await storage.put(at, text("two"));
      assert.notEqual(second.etag, first.etag);
      assert.equal((await bytesOf(storage.get(at))).toString(), "two");
    });

    test("R33 a version of a folder changes with each object created, replaced or deleted in or below it", async () => {
      if (storage.folderVersion === undefined) return;
      const at = folder();
      assert.equal(await storage.folderVersion(at), undefined, "there is no such folder");
      const seen = new Set<string>();
      const steps = [
        () => storage.put(`${at}a/one`, text("1")),
        () => storage.put(`${at}a/one`, text("2")),
        () => storage.put(`${at}a/two`, text("2")),
        () => storage.put(`${at}b/one`, text("1")),
        () => storage.put(`${at}c`, text("1")),
        () => storage.delete(`${at}a/two`),
        () => storage.delete(`${at}b/one`),
      ];
      for (const step of steps) {
        await step();
        const found = await storage.folderVersion(at);
        assert.ok(found !== undefined && !seen.has(found.version));
        assert.deepEqual(await storage.folderVersion(at), found);
        seen.add(found.version);
        // The clock that stamps changes is coarse: the next one must meet another tick.
        while ((await storage.put("tick", text("x"))).modifiedAt <= found.changedAt);
      }
    });

    test("an empty object is an object", async () => {
      const at = `${folder()}empty`;
      const info = await storage.put(at, generatedBytes(0));
      assert.equal(info.sizeBytes, 0);
      assert.equal((await storage.head(at))?.sizeBytes, 0);
      assert.equal((await bytesOf(storage.get(at))).length, 0);
    });

    test("chunks of any size come back as the same bytes", async () => {
      const at = `${folder()}chunks`;
      async function* chunks() {
        for (const size of [1, 0, 3, 70_000, 1, 300_000, 2]) yield* size === 0 ? [new Uint8Array()] : generatedBytes(size, size, size);
      }
      const wanted = await digestOf(chunks());
      await storage.put(at, chunks());
      assert.deepEqual(await digestOf(storage.get(at)), wanted);
    });

    test("R19 a large body streams through and comes back with the same digest", async () => {
      const at = `${folder()}large`;
      const info = await storage.put(at, generatedBytes(facts.largeBytes));
      assert.equal(info.sizeBytes, facts.largeBytes);
      assert.deepEqual(await digestOf(storage.get(at)), await digestOf(generatedBytes(facts.largeBytes)));
    });

    test("a range gives exactly its bytes", async () => {
      const at = `${folder()}range`;
      await storage.put(at, text("0123456789"));
      const read = async (start?: number, end?: number): Promise<string> =>
        (await bytesOf(storage.get(at, { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) }))).toString();
      assert.equal(await read(0, 0), "0");
      assert.equal(await read(3, 5), "345");
      assert.equal(await read(7), "789");
      assert.equal(await read(undefined, 2), "012");
      assert.equal(await read(8, 100), "89", "an end beyond the object means its end");
      assert.equal(await read(10), "", "after the last byte there is nothing");
      await assert.rejects(read(11), hasCode("INTEGRITY"));
    });

    test("a missing object is missing for get and undefined for head", async () => {
      const at = `${folder()}missing`;
      await assert.rejects(bytesOf(storage.get(at)), hasCode("OBJECT_MISSING"));
      await assert.rejects(storage.thaw(at, 1), hasCode("OBJECT_MISSING"));
      assert.equal(await storage.head(at), undefined);
      assert.deepEqual(await collect(storage.list(at)), []);
    });

    test("names are listed ascending, by string prefix, across folders", async () => {
      const root = folder();
      const names = ["a-b", "a/1", "a/b/c", "a/z", "a.b", "ab", "b/1", "A", "_"].map((each) => root + each);
      for (const at of names) await storage.put(at, text(at));
      assert.deepEqual(
        (await collect(storage.list(root))).map((info) => info.name),
        [...names].sort(),
      );
      const listed = async (prefix: string) => (await collect(storage.list(root + prefix))).map((info) => info.name.slice(root.length));
      assert.deepEqual(await listed("a"), ["a-b", "a.b", "a/1", "a/b/c", "a/z", "ab"]);
      assert.deepEqual(await listed("a/"), ["a/1", "a/b/c", "a/z"]);
      assert.deepEqual(await listed("nothing/here"), []);
      assert.deepEqual(await collect(storage.listFolders(root)), ["a", "b"]);
      assert.deepEqual(await collect(storage.listFolders(`${root}a/`)), ["b"]);
      assert.deepEqual(await collect(storage.listFolders(`${root}none/`)), []);
    });

    test("a list can be left early, and so can a get", async () => {
      const root = folder();
      for (const each of ["1", "2", "3"]) await storage.put(root + each, generatedBytes(600_000));
      for await (const info of storage.list(root)) {
        assert.equal(info.name, `${root}1`);
        break;
      }
      for await (const chunk of storage.get(`${root}1`)) {
        assert.ok(chunk.length > 0);
        break;
      }
      assert.equal((await bytesOf(storage.get(`${root}2`))).length, 600_000);
    });

    test("delete removes, and removing what is not there is no error", async () => {
      const root = folder();
      await storage.put(`${root}x/1`, text("1"));
      await storage.put(`${root}x/2`, text("2"));
      await storage.delete(`${root}x/1`);
      await storage.delete(`${root}x/1`);
      assert.equal(await storage.head(`${root}x/1`), undefined);
      assert.equal((await bytesOf(storage.get(`${root}x/2`))).toString(), "2");
      await storage.delete(`${root}x/2`);
      // A folder may prove empty, where the storage keeps versions.
      for (const name of await collect(storage.listFolders(root))) assert.deepEqual(await collect(storage.list(`${root}${name}/`)), []);
    });

    test("names that could mean something else are refused", async () => {
      const bad = [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/./b",
        "ü",
        "a b",
        "a\\b",
        "a\0b",
        "a%2fb",
        "😀",
        "a\n",
        "x".repeat(2000),
      ];
      for (const at of bad) {
        await assert.rejects(storage.put(at, text("x")), hasCode("NAME_INVALID"), JSON.stringify(at));
        await assert.rejects(bytesOf(storage.get(at)), hasCode("NAME_INVALID"), JSON.stringify(at));
        await assert.rejects(storage.head(at), hasCode("NAME_INVALID"), JSON.stringify(at));
        await assert.rejects(storage.delete(at), hasCode("NAME_INVALID"), JSON.stringify(at));
      }
      await assert.rejects(collect(storage.list("../")), hasCode("NAME_INVALID"));
      await assert.rejects(collect(storage.list("a/../b")), hasCode("NAME_INVALID"));
    });

    test("sweep leaves objects and fresh remains alone", async () => {
      const root = folder();
      await storage.put(`${root}kept`, text("kept"));
      const since = new Date(Date.now() - 3_600_000);
      assert.equal(await storage.sweep(root, since), 0);
      assert.equal((await bytesOf(storage.get(`${root}kept`))).toString(), "kept");
    });

    test("what cannot be locked is refused rather than stored unlocked", async () => {
      const at = `${folder()}lock`;
      if (storage.capabilities.objectLock) return; // proven where locks exist
      await assert.rejects(storage.put(at, text("x"), { lockUntil: new Date(Date.now() + 60_000) }), hasCode("STORAGE_REFUSED"));
      assert.equal(await storage.head(at), undefined);
    });

    test("what is not archived is ready at once", async () => {
      const at = `${folder()}warm`;
      await storage.put(at, text("warm"));
      assert.equal(await storage.thaw(at, 1), "ready");
      assert.equal(await storage.thaw(at, 1), "ready");
    });

    storageRaces(
      () => storage,
      () => open(),
      folder,
      facts,
    );
  });
}
