import assert from "node:assert/strict";
import { mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { collect } from "../../test/support/bytes.ts";
import { manifestFor, temporaryDirectory, temporaryRepository } from "../../test/support/repository.ts";
import type { Manifest } from "../core/manifest.ts";
import { commitManifest, removeBackup } from "./backups.ts";
import { openCatalog } from "./catalog.ts";
import { backupFolderName, manifestName, partName } from "./layout.ts";
import { mark, removeMarks } from "./marks.ts";

function manifestOf(n: number): { place: { source: string; folder: string }; manifest: Manifest } {
  const at = new Date(Date.UTC(2026, 0, 1, n));
  const id = `01k${String(n).padStart(11, "0")}`;
  const manifest = manifestFor({ id, name: `backup-${n}`, snapshotAt: at.toISOString() });
  return { place: { source: "shop", folder: backupFolderName(at, "full", id) }, manifest };
}

test("R2 the catalog matches the storage, and may be deleted or damaged at any time", async (t) => {
  const repository = await temporaryRepository(t);
  const state = await temporaryDirectory(t);
  const made = [1, 2, 3].map(manifestOf);
  for (const { place, manifest } of made) await commitManifest(repository, place, manifest);
  const file = join(state, `catalog-${repository.identity.id}.sqlite`);
  const names = async (): Promise<string[]> => {
    const catalog = openCatalog(repository, state);
    try {
      return (await catalog.entries("shop")).map(({ point }) => point.name);
    } finally {
      catalog.close();
    }
  };
  assert.deepEqual(await names(), ["backup-1", "backup-2", "backup-3"]);
  assert.deepEqual(await names(), ["backup-1", "backup-2", "backup-3"], "the second time from the cache");
  await removeBackup(repository, (made[1] as (typeof made)[0]).place, { now: () => new Date(0) });
  assert.deepEqual(await names(), ["backup-1", "backup-3"], "a deleted backup is not listed");
  await rm(file);
  assert.deepEqual(await names(), ["backup-1", "backup-3"], "deleted and rebuilt");
  await writeFile(file, "this is not a database");
  assert.deepEqual(await names(), ["backup-1", "backup-3"], "damaged: this time read from the storage");
  assert.deepEqual(await names(), ["backup-1", "backup-3"], "and rebuilt the next time");
});

test("marks of restore points are visible as soon as they are written", async (t) => {
  const repository = await temporaryRepository(t);
  const { place, manifest } = manifestOf(1);
  await commitManifest(repository, place, manifest);
  const catalog = openCatalog(repository, await temporaryDirectory(t));
  t.after(() => catalog.close());
  const point = async () => (await catalog.entries("shop"))[0]?.point;
  assert.equal((await point())?.hold, undefined);
  const at = new Date("2026-02-01T00:00:00Z");
  await mark(repository, "shop", manifest.id, { hold: { by: "ann", at, reason: "audit" } });
  assert.deepEqual((await point())?.hold, { by: "ann", at, reason: "audit" });
  await mark(repository, "shop", manifest.id, { verifiedAt: at });
  assert.deepEqual((await point())?.hold?.by, "ann", "one mark does not change the others");
  assert.deepEqual((await point())?.verifiedAt, at);
  await mark(repository, "shop", manifest.id, { hold: undefined });
  assert.equal((await point())?.hold, undefined);
  assert.deepEqual((await point())?.verifiedAt, at);
});

test("a damaged manifest is named and hides no other backup; one being deleted does not count", async (t) => {
  const repository = await temporaryRepository(t);
  const { storage } = repository;
  const made = [1, 2, 3].map(manifestOf);
  for (const { place, manifest } of made) await commitManifest(repository, place, manifest);
  const nameOf = (n: number): string => manifestName("shop", (made[n] as (typeof made)[0]).place.folder);
  await storage.put(nameOf(1), new TextEncoder().encode("{ half"));
  await storage.put(nameOf(2), new TextEncoder().encode('{ "format": 0, "abandoned": true }'));
  const catalog = openCatalog(repository, await temporaryDirectory(t));
  t.after(() => catalog.close());
  assert.deepEqual(
    (await catalog.entries("shop")).map(({ point }) => point.name),
    ["backup-1"],
  );
  const unreadable = catalog.flaws("shop").filter(({ code }) => code === "OBJECT_UNREADABLE");
  assert.equal(unreadable.length, 1);
  assert.ok(unreadable[0]?.message.includes(nameOf(1)), unreadable[0]?.message);
});

test("R56 a repository id that is a path does not make the catalog touch other files", async (t) => {
  const repository = await temporaryRepository(t);
  const directory = await temporaryDirectory(t);
  const state = join(directory, "state");
  const [foreign, linked] = [join(directory, "dir", "name.sqlite"), join(directory, "linked.sqlite")];
  await mkdir(join(state, "catalog-x"), { recursive: true });
  await mkdir(join(directory, "dir"));
  for (const file of [foreign, linked]) for (const suffix of ["", "-wal", "-shm"]) await writeFile(`${file}${suffix}`, "not a database");
  await symlink(linked, join(state, "catalog-link.sqlite"));
  for (const id of ["x/../../dir/name", "link", "..", "", "a\u0000b"]) {
    const catalog = openCatalog({ ...repository, identity: { ...repository.identity, id } }, state);
    assert.deepEqual(await catalog.entries("shop"), []);
    catalog.close();
  }
  for (const file of [foreign, linked]) {
    for (const suffix of ["", "-wal", "-shm"]) assert.equal(await readFile(`${file}${suffix}`, "utf8"), "not a database");
  }
});

test("R33 objects that another process writes or deletes during a listing are not reported as lost", async (t) => {
  const repository = await temporaryRepository(t);
  const { storage } = repository;
  const commit = async ({ place, manifest }: ReturnType<typeof manifestOf>): Promise<void> => {
    for (const part of ["data", "fingerprint"]) await storage.put(partName("shop", place.folder, part), new TextEncoder().encode("rows"));
    await commitManifest(repository, place, manifest);
  };
  const made = [1, 2, 3].map(manifestOf);
  for (const one of made) await commit(one);
  const [first, second] = made as [(typeof made)[0], (typeof made)[0]];
  let meanwhile: () => Promise<void> = async () => undefined;
  const list: typeof storage.list = async function* (prefix, options) {
    const found = await collect(storage.list(prefix, options));
    const act = meanwhile;
    if (prefix.includes("/marks/") || prefix.includes("/backups/")) {
      meanwhile = async () => undefined;
      await act();
    }
    yield* found;
  };
  const catalog = openCatalog({ ...repository, storage: { ...storage, list } }, await temporaryDirectory(t));
  t.after(() => catalog.close());
  const flaws = async () => {
    await catalog.entries("shop");
    return catalog.flaws("shop");
  };
  assert.deepEqual(await flaws(), []);
  const at = new Date("2026-02-01T00:00:00Z");
  meanwhile = () => mark(repository, "shop", first.manifest.id, { hold: { by: "ann", at } });
  assert.deepEqual(await flaws(), [], "a hold");
  meanwhile = () => mark(repository, "shop", first.manifest.id, { verifiedAt: at });
  assert.deepEqual(await flaws(), [], "another mark");
  meanwhile = () => commit(manifestOf(4));
  assert.deepEqual(await flaws(), [], "a backup");
  meanwhile = async () => {
    await removeBackup(repository, second.place, { now: () => at });
    await removeMarks(repository, "shop", second.manifest.id);
  };
  assert.deepEqual(await flaws(), [], "an expiry");
  await storage.delete(manifestName("shop", first.place.folder));
  assert.deepEqual(
    (await flaws()).map(({ code }) => code),
    ["POINT_MISSING"],
    "and what is lost is lost",
  );
  // Two listings that find the loss, and a third that makes sure: the beat of the same process may ask at any of them.
  const seen: string[][] = [];
  const look = async (): Promise<void> => {
    seen.push(catalog.flaws("shop").map(({ code }) => code));
    if (seen.length < 4) meanwhile = look;
  };
  meanwhile = look;
  await flaws();
  assert.deepEqual(seen, [["POINT_MISSING"], ["POINT_MISSING"], ["POINT_MISSING"], ["POINT_MISSING"]], "also while it is read again");
});

test("R2 a catalog that another process has locked is not discarded, and is used for the next reading", async (t) => {
  const repository = await temporaryRepository(t);
  const state = await temporaryDirectory(t);
  const file = join(state, `catalog-${repository.identity.id}.sqlite`);
  const names = async (catalog: ReturnType<typeof openCatalog>) => (await catalog.entries("shop")).map(({ point }) => point.name);
  const kept = (): unknown => {
    const reader = new DatabaseSync(file);
    const row = reader.prepare("select count(*) as n from object").get();
    reader.close();
    return row?.n;
  };
  const catalog = openCatalog(repository, state);
  t.after(() => catalog.close());
  const { place, manifest } = manifestOf(1);
  await commitManifest(repository, place, manifest);
  const { ino } = await stat(file);
  const other = new DatabaseSync(file);
  other.exec("begin immediate");
  assert.deepEqual(await names(catalog), ["backup-1"], "locked for writing");
  const later = openCatalog(repository, state);
  t.after(() => later.close());
  assert.deepEqual(await names(later), ["backup-1"], "locked when it is opened");
  assert.equal(kept(), 0);
  other.exec("rollback");
  other.close();
  assert.deepEqual(await names(catalog), ["backup-1"]);
  assert.equal(kept(), 1);
  assert.deepEqual(await names(later), ["backup-1"]);
  assert.equal((await stat(file)).ino, ino);
});

test("R36 of two looks at a source the one that began later is kept, although it ended sooner", async (t) => {
  const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 12, minute));
  const catalog = openCatalog(await temporaryRepository(t), await temporaryDirectory(t), () => at(10).getTime());
  t.after(() => catalog.close());
  const look = (minute: number, json: string) => catalog.keepLooks("c", at(minute), new Map([["shop", json]]));
  const kept = async () => (await catalog.looks("c", at(0), at(59))).get("shop");
  await look(5, "new");
  await look(3, "old");
  assert.deepEqual(await kept(), { at: at(5), json: "new" });
  await look(50, "of a clock that was ahead");
  await look(6, "newest");
  assert.deepEqual(await kept(), { at: at(6), json: "newest" });
});
