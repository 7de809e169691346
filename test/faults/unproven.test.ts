// What cannot be proven is never green: wrong keys, no room, forged parts, nothing to compare, rows that hide.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { generateIdentity } from "../../src/seal/keys.ts";
import { assertRed } from "../support/faults.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig } from "../support/program.ts";
import { temporaryDirectory } from "../support/repository.ts";
import { need } from "../support/require.ts";

const skip = skipWithoutPostgres();
/** A program of this machine, not of a package. */
const AGE = "age";

async function smallSource(rows = 20_000) {
  const source = await freshDatabase();
  await query(
    source,
    `create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, ${rows}) i`,
  );
  return source;
}

test("a full disk under the spool is said before anything is made", { skip }, async (t) => {
  const directory = await temporaryDirectory(t);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", directory]).status === 0;
  if (!mounted) return t.skip("a small file system cannot be mounted here");
  try {
    const source = await smallSource();
    const world = await beginWorld(t, { sources: { shop: source }, env: { LIFEBOAT_SPOOL: directory } });
    await world.expect(0, "backup", "shop");
    for (const args of [
      ["restore", "shop", "--into", "nodisk"],
      ["drill", "shop"],
    ]) {
      const ran = await world.run(...args, "--json");
      assert.deepEqual([ran.exit, ran.code], [1, "DISK_FULL"], ran.stderr);
      assert.match(ran.message ?? "", new RegExp(directory));
    }
    assert.deepEqual(await query(source, "select 1 as x from pg_database where datname = 'nodisk' or datname like 'lifeboat%'"), []);
    assert.equal((await world.expect(0, "list", "--json")).json().points[0].damagedAt, null, "a full disk does not mean a damaged backup");
    const [shop] = (await world.run("status", "--json")).json().sources;
    assert.equal(shop.lastDrill.verdict, "inconclusive", "and nothing for it");
    assert.notEqual(shop.verdict, "pass");
    assert.deepEqual(readdirSync(directory), []);
    await world.assertNothingLeft();
  } finally {
    execFileSync("umount", [directory]);
  }
});

test("R21 a wrong key and a missing key are told apart from damage: status 12, and nothing is marked", { skip }, async (t) => {
  const source = await smallSource(100);
  const world = await beginWorld(t, { sources: { shop: source } });
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  writeFileSync(world.identityFile, `${(await generateIdentity()).identity}\n`);
  for (const args of [
    ["verify", id],
    ["restore", "shop", "--into", "locked"],
    ["drill", "shop"],
  ]) {
    const ran = await world.run(...args, "--json");
    assert.deepEqual([ran.exit, ran.code], [12, "WRONG_KEY"], `${args[0]}: ${ran.stderr}`);
  }
  editConfig(world, (text) => text.replace(/, identityFile: "[^"]*"/, ""));
  for (const args of [
    ["restore", "shop", "--into", "locked"],
    ["drill", "shop"],
  ]) {
    const ran = await world.run(...args, "--json");
    assert.deepEqual([ran.exit, ran.code], [12, "KEY_MISSING"], `${args[0]}: ${ran.stderr}`);
  }
  const unopened = (await world.expect(0, "verify", id, "--json")).json();
  assert.equal(unopened.opened, false, "without a key only the stored bytes are compared");
  const told = (await world.expect(0, "verify", id)).stdout;
  assert.match(told, /^\? bytes only {2}.*\n/);
  assert.match(told, /nothing of what is inside is proven[\s\S]*next: set repository.encryption.identityFile/);
  assert.equal((await world.expect(0, "list", "--json")).json().points[0].verifiedAt, null, "and the backup does not count as verified");
  assert.equal((await world.expect(0, "list", "--json")).json().points[0].damagedAt, null);
  await world.expect(0, "backup", "shop");
  assert.deepEqual(await query(source, "select 1 as x from pg_database where datname = 'locked' or datname like 'lifeboat%'"), []);
  await world.assertNothingLeft();
});

for (const [what, tail] of [
  ["a second zstd frame", (zstd: (text: string) => Buffer) => zstd("more")],
  ["bytes after the zstd frame", () => Buffer.from("trailing")],
] as const) {
  test(`${what} in a stored part is found though the manifest's digest of the stored bytes fits`, { skip }, async (t) => {
    if (!need(t, "age", spawnSync(AGE, ["--version"]).status === 0) || !need(t, "zstd", spawnSync("zstd", ["--version"]).status === 0))
      return;
    const world = await beginWorld(t, { sources: { shop: await smallSource(100) } });
    const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
    const folder = join(world.repository, "sources/shop/backups", readdirSync(join(world.repository, "sources/shop/backups"))[0] ?? "");
    const part = join(folder, "data.zst.age");
    const frame = execFileSync(AGE, ["-d", "-i", world.identityFile, part]);
    const input = Buffer.concat([frame, tail((text) => execFileSync("zstd", ["-c"], { input: text }))]);
    const forged = execFileSync(AGE, ["-r", world.recipient], { input });
    writeFileSync(part, forged);
    const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
    manifest.parts[0].stored = { sizeBytes: forged.length, sha256: createHash("sha256").update(forged).digest("hex") };
    writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
    const verified = await world.run("verify", id, "--json");
    assert.equal(verified.exit, 30, verified.stderr);
    const refused = await world.run("restore", "shop", "--to", id, "--into", "forged", "--json");
    assert.deepEqual([refused.exit, refused.code], [30, "POINT_UNSIGNED"], refused.stderr);
    const restored = await world.run("restore", "shop", "--to", id, "--into", "forged", "--unsigned", "--json");
    assert.deepEqual([restored.exit, restored.code], [30, "INTEGRITY"], restored.stderr);
    await world.assertNothingLeft();
  });
}

test("R33 an empty database and one of empty tables drill as inconclusive, never as a pass", { skip }, async (t) => {
  const [empty, rowless] = [await freshDatabase(), await freshDatabase()];
  await query(rowless, "create table public.t (id int primary key)");
  const world = await beginWorld(t, { sources: { empty, rowless } });
  for (const name of ["empty", "rowless"]) {
    const made = await world.run("backup", name, "--json");
    assert.ok(made.exit === 0 || made.code === "BACKUP_EMPTY", made.stderr);
    if (made.exit !== 0) continue;
    const drilled = (await world.expect(3, "drill", name, "--json")).json().drills[0];
    assert.equal(drilled.verdict, "inconclusive");
    assert.match(drilled.reasons.join(), /proves nothing|nothing is proven/);
    assert.notEqual((await world.run("status", name)).exit, 0);
  }
  await world.assertNothingLeft();
});

test("R33 forced row security never makes a backup of the visible rows pass for one of all rows", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    "create role rls_owner login superuser; create table public.open (id int); insert into open select generate_series(1, 10); create table public.hidden (id int, who text); insert into hidden select i, case when i % 2 = 0 then 'a' else 'b' end from generate_series(1, 100) i; alter table hidden enable row level security; alter table hidden force row level security; create policy half on hidden using (who = 'a'); alter table hidden owner to rls_owner; alter table open owner to rls_owner; alter role rls_owner nosuperuser password 'rls-secret'",
  );
  const url = source.url.replace(/\/\/[^@]*@/, "//rls_owner:rls-secret@");
  const world = await beginWorld(t, { sources: { shop: { url, label: "hidden" } } });
  const made = await world.run("backup", "shop", "--json");
  if (made.exit === 0) {
    const drilled = await world.run("drill", "shop", "--json");
    assert.equal(drilled.exit, 3, drilled.stderr);
    assert.equal(drilled.json().drills[0].verdict, "inconclusive");
  } else {
    assert.match(made.message ?? "", /hidden/, made.stderr);
    await assertRed(world, made, { exit: made.exit ?? 0, code: made.code ?? "" });
  }
  t.diagnostic(`backup ended with ${made.exit} ${made.code ?? ""}: ${made.message ?? ""}`);
});
