// What a second reading looks at, counted in calls of the storage, and what it must notice.
import assert from "node:assert/strict";
import { appendFile, chmod, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { bytesOf } from "../../test/support/bytes.ts";
import { manifestFor, temporaryDirectory, temporaryRepository } from "../../test/support/repository.ts";
import type { Manifest } from "../core/manifest.ts";
import { microsOf } from "../core/micros.ts";
import { pointJson } from "../core/restore-point.ts";
import type { Storage } from "../ports/storage.ts";
import { commitManifest, removeBackup } from "./backups.ts";
import { type Catalog, openCatalog } from "./catalog.ts";
import {
  backupFolder,
  backupFolderName,
  backupsFolder,
  manifestName,
  markName,
  marksFolder,
  partName,
  removalsName,
  sourceFolder,
} from "./layout.ts";
import { mark } from "./marks.ts";
import type { Repository } from "./repository.ts";
import type { PointSummary } from "./summaries.ts";

const AT = new Date("2026-02-01T00:00:00Z");
const POINTS = 3;
const MINUTE_MS = 60_000;
/** The position of a dump in the log. */
const LOG = {
  systemIdentifier: "7000000000000000001",
  timeline: 1,
  startLsn: "0/2000000",
  endLsn: "0/3000000",
  endedAt: microsOf(AT),
} satisfies Manifest["log"];

interface Made {
  readonly place: { readonly source: string; readonly folder: string };
  readonly manifest: Manifest;
}

async function commit(repository: Repository, n: number, log?: Manifest["log"]): Promise<Made> {
  const at = new Date(Date.UTC(2026, 0, 1, n));
  const id = `01k${String(n).padStart(11, "0")}`;
  const manifest = manifestFor({ id, name: `backup-${n}`, snapshotAt: at.toISOString(), log });
  const place = { source: "shop", folder: backupFolderName(at, "full", id) };
  for (const part of ["data", "fingerprint"])
    await repository.storage.put(partName("shop", place.folder, part), new TextEncoder().encode("rows"));
  await commitManifest(repository, place, manifest);
  return { place, manifest };
}

/** A repository whose storage notes each call, and a catalog whose clock is some minutes later, so that all changes have settled. */
async function begin(t: TestContext) {
  const repository = await temporaryRepository(t);
  const made: Made[] = [];
  for (let n = 1; n <= POINTS; n++) made.push(await commit(repository, n));
  const calls: string[] = [];
  const { storage } = repository;
  const noting = <T>(call: string, answer: () => T): T => {
    calls.push(call);
    return answer();
  };
  const noted: Storage = {
    ...storage,
    get: (name, options) => noting(`get ${name}`, () => storage.get(name, options)),
    head: (name, options) => noting(`head ${name}`, () => storage.head(name, options)),
    list: (prefix, options) => noting(`list ${prefix}`, () => storage.list(prefix, options)),
    listFolders: (prefix, options) => noting(`listFolders ${prefix}`, () => storage.listFolders(prefix, options)),
    folderVersion: (prefix, options) => noting(`folderVersion ${prefix}`, async () => await storage.folderVersion?.(prefix, options)),
  };
  const state = await temporaryDirectory(t);
  let laterMs = 10 * MINUTE_MS;
  const open = (): Catalog => {
    const catalog = openCatalog({ ...repository, storage: noted }, state, () => Date.now() + laterMs);
    t.after(() => catalog.close());
    return catalog;
  };
  const found = async (catalog: Catalog) => {
    const points = (await catalog.summaries("shop")).map(({ point }) => pointJson(point));
    return { points, flaws: catalog.flaws("shop") };
  };
  return {
    ...{ repository, noted, made, calls, state, open, found },
    later: (ms: number) => {
      laterMs += ms;
    },
    pathOf: (name: string) => join(repository.directory, name),
  };
}

/** Waits until the file system stamps a change with a time later than that of every change so far. */
async function nextStamp(directory: string): Promise<void> {
  const probe = join(directory, ".probe");
  const stamp = async (): Promise<bigint> => {
    await writeFile(probe, "");
    const { ctimeNs } = await stat(probe, { bigint: true });
    await rm(probe);
    return ctimeNs;
  };
  const before = await stamp();
  while ((await stamp()) <= before);
}

/** What a second reading of unchanged restore points may ask the storage. */
const warmCalls = (newest: string): string[] =>
  [
    `folderVersion ${sourceFolder("shop")}`,
    `folderVersion ${backupsFolder("shop")}`,
    `folderVersion ${backupFolder("shop", newest)}`,
  ].sort();

test("R51 a second reading asks for what has changed and for the newest point, and reads nothing", async (t) => {
  const { calls, open, found, made, later } = await begin(t);
  const first = await found(open());
  assert.equal(first.points.length, POINTS);
  assert.deepEqual(first.flaws, []);
  calls.length = 0;
  const catalog = open();
  assert.deepEqual(await found(catalog), first);
  assert.deepEqual(calls.sort(), warmCalls(made.at(-1)?.place.folder ?? ""));
  calls.length = 0;
  assert.equal((await catalog.entries("shop")).length, POINTS);
  assert.ok(calls.includes(`list ${backupsFolder("shop")}`), "what restores or deletes lists everything");
  later(61 * MINUTE_MS);
  calls.length = 0;
  assert.deepEqual(await found(catalog), first);
  assert.ok(calls.includes(`list ${backupsFolder("shop")}`), "and so does a reader after an hour");
  assert.ok(!calls.some((call) => call.includes("manifest.json")), "but no unchanged manifest is read again");
});

test("R51 the newest few restore points are had alone, and all that log may be replayed onto beside them", async (t) => {
  const { repository, open, found } = await begin(t);
  const catalog = open();
  const names = async (newest: number) => (await catalog.listed("shop", { newest })).points.map(({ name }) => name);
  await found(catalog);
  assert.deepEqual(await names(1), ["backup-3"]);
  assert.deepEqual(await names(2), ["backup-2", "backup-3"]);
  assert.deepEqual(await names(POINTS + 1), ["backup-1", "backup-2", "backup-3"]);
  await nextStamp(repository.directory);
  await commit(repository, 0, LOG);
  await found(catalog);
  assert.deepEqual(await names(1), ["backup-3"]);
  const { summaries } = await catalog.listed("shop", { newest: 1 });
  assert.deepEqual(
    summaries.map(({ point }) => point.name),
    ["backup-0", "backup-1", "backup-2", "backup-3"],
  );
});

test("R51 what is kept of a restore point says all that reading it says", async (t) => {
  const { repository, calls, open, made } = await begin(t);
  const id = (made[0] as Made).manifest.id;
  const marks = { hold: { by: "ann", at: AT }, acceptedAt: AT, preDeploy: "v42", damagedAt: AT, expiresAt: AT };
  await mark(repository, "shop", id, marks);
  const servesTo = "2026-01-01T09:00:00.000Z";
  const last = manifestFor({ id: "01k00000000009", name: "backup-9", snapshotAt: servesTo, servesTo, log: LOG, tables: ["a"] });
  const place = { source: "shop", folder: backupFolderName(new Date(servesTo), "full", last.id) };
  for (const part of ["data", "fingerprint"])
    await repository.storage.put(partName("shop", place.folder, part), new TextEncoder().encode("rows"));
  await commitManifest(repository, place, last);
  const catalog = open();
  const told = (entries: readonly PointSummary[]) =>
    entries.map(({ point, source, folder, manifest: { kind, tables, base, log, fingerprint } }) =>
      JSON.parse(JSON.stringify({ ...point, ...{ source, folder, kind, tables, base, log, measured: fingerprint?.tables } })),
    );
  const read = told(await catalog.entries("shop"));
  await catalog.summaries("shop");
  calls.length = 0;
  const kept = told(await catalog.summaries("shop"));
  assert.equal(calls.length, 3, "it was kept");
  assert.deepEqual(kept.map(sorted), read.map(sorted));
  const rows = (await catalog.entries("shop")).map(({ point }) => pointJson(point));
  assert.deepEqual((await catalog.listed("shop")).points, rows);
  assert.deepEqual([kept[0].preDeploy, kept[0].acceptedAt, kept.at(-1).servesTo], ["v42", AT.toISOString(), servesTo]);
});

const sorted = (fields: object): object => Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));

test("R33 what is created, replaced or deleted between two readings is noticed by the second", async (t) => {
  const changes: Record<string, (repository: Repository, made: readonly Made[]) => Promise<unknown>> = {
    "a new backup": (repository) => commit(repository, POINTS + 1),
    "an expiry": (repository, [, second]) => removeBackup(repository, (second as Made).place, { now: () => AT }),
    "a hold": (repository, [first]) => mark(repository, "shop", (first as Made).manifest.id, { hold: { by: "ann", at: AT } }),
    "a manifest that is deleted": ({ storage }, [, second]) => storage.delete(manifestName("shop", (second as Made).place.folder)),
    "a part that is deleted": ({ storage }, [, second]) => storage.delete(partName("shop", (second as Made).place.folder, "data")),
    "a shorter part": ({ storage }, [, second]) =>
      storage.put(partName("shop", (second as Made).place.folder, "data"), new TextEncoder().encode("row")),
    "a signature that is deleted": async ({ storage }, [, second]) => {
      for await (const { name } of storage.list(backupFolder("shop", (second as Made).place.folder)))
        if (name.endsWith(".sig")) await storage.delete(name);
    },
    "an unsigned manifest": async ({ storage }, [, second]) => {
      const name = manifestName("shop", (second as Made).place.folder);
      const { manifest } = second as Made;
      await storage.put(name, new TextEncoder().encode(JSON.stringify({ ...manifest, note: "forged", type: "manifest" })));
    },
    "marks that are deleted": async ({ storage }) => {
      for await (const { name } of storage.list(marksFolder("shop"))) await storage.delete(name);
    },
    "removals that are deleted": ({ storage }) => storage.delete(removalsName("shop")),
  };
  for (const [what, change] of Object.entries(changes)) {
    const { repository, made, calls, open, found } = await begin(t);
    await mark(repository, "shop", (made[0] as Made).manifest.id, { verifiedAt: AT });
    await removeBackup(repository, (await commit(repository, 0)).place, { now: () => AT });
    const before = await found(open());
    assert.deepEqual(before.flaws, [], what);
    calls.length = 0;
    await found(open());
    assert.equal(calls.length, 3, `${what}: it was kept`);
    await nextStamp(repository.directory);
    await change(repository, made);
    const after = await found(open());
    assert.notDeepEqual(after, before, what);
    const anew = openCatalog(repository, await temporaryDirectory(t));
    const points = (await anew.entries("shop")).map(({ point }) => pointJson(point));
    assert.deepEqual(after, { points, flaws: anew.flaws("shop") }, what);
    anew.close();
  }
});

test("R33 an older manifest or mark that is put back between two readings is noticed by the second", async (t) => {
  const { repository, made, open, found } = await begin(t);
  const { storage } = repository;
  const { manifest, place } = made[0] as Made;
  const put = async (name: string, bytes: Uint8Array): Promise<readonly string[]> => {
    await nextStamp(repository.directory);
    await storage.put(name, bytes);
    return (await found(open())).flaws.map(({ code }) => code);
  };
  await mark(repository, "shop", manifest.id, { hold: { by: "ann", at: AT } });
  const [name, marks] = [manifestName("shop", place.folder), markName("shop", manifest.id)];
  const [older, held] = await Promise.all([bytesOf(storage.get(name)), bytesOf(storage.get(marks))]);
  await mark(repository, "shop", manifest.id, { hold: undefined });
  assert.deepEqual((await found(open())).flaws, []);
  assert.ok((await put(marks, held)).length > 0);
  const other = new TextEncoder().encode(JSON.stringify({ ...JSON.parse(older.toString()), note: "another" }));
  assert.ok((await put(name, other)).includes("POINT_UNSIGNED"));
  assert.ok(!(await put(name, older)).includes("POINT_UNSIGNED"), "and that it is back");
});

test("R33 a file changed in place is noticed at once in the newest point, else within an hour", async (t) => {
  const { made, open, found, later, pathOf } = await begin(t);
  const catalog = open();
  const incomplete = async (): Promise<string[]> =>
    (await found(catalog)).points.flatMap(({ id, incomplete: why }) => (why === null ? [] : [id]));
  const [first, newest] = [made.at(0), made.at(-1)] as [Made, Made];
  assert.deepEqual(await incomplete(), []);
  await truncate(pathOf(partName("shop", newest.place.folder, "data")), 1);
  assert.deepEqual(await incomplete(), [newest.manifest.id]);
  await appendFile(pathOf(partName("shop", newest.place.folder, "data")), "ows");
  assert.deepEqual(await incomplete(), []);
  await truncate(pathOf(partName("shop", first.place.folder, "data")), 1);
  assert.deepEqual(await incomplete(), []);
  const decided = (await catalog.entries("shop")).filter(({ point }) => point.incomplete !== undefined);
  assert.deepEqual(
    decided.map(({ point }) => point.id),
    [first.manifest.id],
    "what restores or deletes sees it at once",
  );
  later(61 * MINUTE_MS);
  assert.deepEqual(await incomplete(), [first.manifest.id]);
});

test("R56 a catalog that others could write to, and changes that are too young, are not relied on", async (t) => {
  const { repository, noted, calls, open, found, state } = await begin(t);
  const file = join(state, `catalog-${repository.identity.id}.sqlite`);
  const first = await found(open());
  await chmod(file, 0o666);
  calls.length = 0;
  assert.deepEqual(await found(open()), first);
  assert.ok(calls.includes(`list ${backupsFolder("shop")}`), "it was discarded");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const now = openCatalog({ ...repository, storage: noted }, await temporaryDirectory(t));
  t.after(() => now.close());
  await now.summaries("shop");
  calls.length = 0;
  await now.summaries("shop");
  assert.ok(calls.includes(`list ${backupsFolder("shop")}`), "a change of the last minute may have a successor with the same stamp");
});
