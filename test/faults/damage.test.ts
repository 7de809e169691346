// A stored backup that is no longer what was written: found by verify and by restore, before anything is touched.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

interface Stored {
  readonly world: World;
  readonly id: string;
  /** Path of a file of the backup. */
  file(name: string): string;
}

async function storedBackup(t: TestContext, rows = 200): Promise<Stored> {
  const source = await freshDatabase();
  await query(
    source,
    `create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, ${rows}) i`,
  );
  const world = await beginWorld(t, { sources: { shop: source } });
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  const folder = join(world.repository, "sources/shop/backups");
  const [name = ""] = readdirSync(folder);
  return { world, id, file: (part) => join(folder, name, part) };
}

const databases = async (): Promise<unknown[]> =>
  query((await sharedCluster()).connection("postgres"), "select datname::text as d from pg_database order by 1");

/** Damage of a part: verify and restore both find it, nothing is made, and the point is marked. */
async function assertFound({ world, id }: Stored, what: string, how: "both" | "restore" = "both"): Promise<void> {
  const before = await databases();
  const restored = await world.run("restore", "shop", "--to", id, "--into", "never", "--json");
  assert.equal(restored.exit, 30, `${what}: restore ended with ${restored.exit}\n${restored.stderr}`);
  assert.ok(["INTEGRITY", "OBJECT_MISSING"].includes(restored.code ?? ""), `${what}: ${restored.code}`);
  if (how === "both") {
    const verified = await world.run("verify", id, "--json");
    assert.equal(verified.exit, 30, `${what}: verify ended with ${verified.exit}\n${verified.stderr}`);
    assert.equal(verified.json().verdict, "fail");
    const listed = await world.run("list", "--json");
    const [point] = listed.json().points;
    assert.ok(point.damagedAt !== null, `${what}: list marks it`);
    // What the listing itself shows, a part that is gone or has another size, makes the list red as well.
    assert.equal(listed.exit, point.incomplete === null ? 0 : 30, `${what}: ${listed.stderr}`);
    assert.equal((await world.expect(4, "status", "--json")).json().sources[0].verdict, "fail", what);
  }
  assert.deepEqual(await databases(), before, `${what}: no database was made`);
  await world.assertNothingLeft();
}

test("verify and restore find a damaged byte of any stored part, and the point is marked damaged", { skip }, async (t) => {
  const stored = await storedBackup(t);
  for (const [part, count] of [
    ["data.zst.age", 6],
    ["fingerprint.zst.age", 2],
  ] as const) {
    const file = stored.file(part);
    const sound = readFileSync(file);
    const places = [0, ...Array.from({ length: count }, (_, i) => Math.floor(((i + 1) * sound.length) / (count + 1))), sound.length - 1];
    for (const at of places) {
      const damaged = Buffer.from(sound);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      writeFileSync(file, damaged);
      await assertFound(stored, `byte ${at} of ${part}`);
    }
    writeFileSync(file, sound);
  }
  await stored.world.expect(0, "verify", stored.id);
  assert.equal((await stored.world.expect(0, "list", "--json")).json().points[0].id, stored.id);
});

test("a part that is truncated, extended, emptied, exchanged or gone is found by verify and by restore", { skip }, async (t) => {
  const stored = await storedBackup(t);
  const [data, fingerprint] = [stored.file("data.zst.age"), stored.file("fingerprint.zst.age")];
  const [soundData, soundFingerprint] = [readFileSync(data), readFileSync(fingerprint)];
  const damages: readonly (readonly [string, () => unknown])[] = [
    ["one byte short", () => writeFileSync(data, soundData.subarray(0, -1))],
    ["half", () => writeFileSync(data, soundData.subarray(0, soundData.length / 2))],
    ["one byte longer", () => writeFileSync(data, Buffer.concat([soundData, Buffer.from([0])]))],
    ["twice", () => writeFileSync(data, Buffer.concat([soundData, soundData]))],
    ["empty", () => writeFileSync(data, "")],
    ["parts exchanged", () => [writeFileSync(data, soundFingerprint), writeFileSync(fingerprint, soundData)]],
    ["data gone", () => rmSync(data)],
    ["fingerprint gone", () => rmSync(fingerprint)],
  ];
  for (const [what, damage] of damages) {
    damage();
    await assertFound(stored, what);
    writeFileSync(data, soundData);
    writeFileSync(fingerprint, soundFingerprint);
  }
  await stored.world.expect(0, "verify", stored.id);
});

test("a manifest that was changed anywhere never lets another content pass for the backup", { skip }, async (t) => {
  const stored = await storedBackup(t);
  const file = stored.file("manifest.json");
  const sound = readFileSync(file, "utf8");
  const change = async (what: string, edit: (text: string) => string): Promise<void> => {
    assert.notEqual(edit(sound), sound, what);
    writeFileSync(file, edit(sound));
    // The catalog may not have seen the change: verify and restore ask the storage itself.
    for (const args of [
      ["verify", stored.id],
      ["restore", "shop", "--to", stored.id, "--into", "never"],
    ]) {
      const ran = await stored.world.run(...args, "--json");
      assert.equal(ran.exit, 30, `${what}: ${args[0]} ended with ${ran.exit}\n${ran.stderr}`);
    }
    writeFileSync(file, sound);
  };
  await change("half of it", (text) => text.slice(0, text.length / 2));
  await change("no JSON", (text) => text.replace("{", "["));
  await change("a digest of the data", (text) => text.replace(/"sha256": "(.)/, (_, digit) => `"sha256": "${digit === "0" ? "1" : "0"}`));
  await change("a size", (text) => text.replace(/"sizeBytes": (\d+)/, (_, size) => `"sizeBytes": ${Number(size) + 1}`));
  await change("another backup's id", (text) => text.replaceAll(stored.id, "1aaaaaaaaaaaaa"));
  await change("no parts", (text) => text.replace(/"parts": \[[\s\S]*?\n {2}\]/, '"parts": []'));
  await change("an unknown format", (text) => text.replace('"format": 1', '"format": 2'));
});

test("a part of another backup in the place of one's own is found", { skip }, async (t) => {
  const stored = await storedBackup(t);
  await stored.world.expect(0, "backup", "shop");
  const folder = join(stored.world.repository, "sources/shop/backups");
  const other = readdirSync(folder).find((name) => !name.endsWith(stored.id)) ?? "";
  renameSync(join(folder, other, "data.zst.age"), stored.file("data.zst.age"));
  const verified = await stored.world.run("verify", stored.id, "--json");
  assert.equal(verified.exit, 30);
  assert.equal((await stored.world.run("restore", "shop", "--to", stored.id, "--into", "never")).exit, 30);
});
