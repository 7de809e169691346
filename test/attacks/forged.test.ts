// A storage that an attacker can write to: objects that are added, changed or deleted make nothing pass and nothing expire.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig, PROGRAM, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

interface Shop {
  readonly world: World;
  /** Folder of the backups. */
  readonly backups: string;
  backup(...options: readonly string[]): Promise<string>;
  /** Folder of a restore point. */
  folder(id: string): string;
  codes(): Promise<string[]>;
}

async function beginShop(t: TestContext, yaml?: string): Promise<Shop> {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 50) i",
  );
  const world = await beginWorld(t, { sources: { shop: source }, ...(yaml === undefined ? {} : { yaml }) });
  const backups = join(world.repository, "sources/shop/backups");
  return {
    world,
    backups,
    backup: async (...options) => (await world.expect(0, "backup", "shop", "--json", ...options)).json().made[0].id,
    folder: (id) => join(backups, readdirSync(backups).find((name) => name.endsWith(id)) ?? "none"),
    codes: async () => (await world.run("status", "--json")).json().sources[0].reasons.map(({ code }: { code: string }) => code),
  };
}

const jsonOf = (file: string) => JSON.parse(readFileSync(file, "utf8"));
const names = async (world: World): Promise<string[]> =>
  (await world.run("list", "--json")).json().points.map(({ id }: { id: string }) => id);

test("R56 a backup of another writer, copied into the repository, is shown and never trusted", { skip }, async (t) => {
  const shop = await beginShop(t);
  const own = await shop.backup();
  const other = await beginShop(t);
  const forged = await other.backup();
  cpSync(other.folder(forged), join(shop.backups, other.folder(forged).split("/").at(-1) ?? ""), { recursive: true });
  const listed = (await shop.world.expect(30, "list", "--json")).json();
  assert.deepEqual(
    listed.points.map(({ id }: { id: string }) => id),
    [own],
    "it belongs to another repository",
  );
  assert.match(JSON.stringify(listed.flaws), /belongs to another repository/);
  // The same made to look like one of this repository, without its key.
  const manifest = join(shop.folder(forged), "manifest.json");
  writeFileSync(manifest, JSON.stringify({ ...jsonOf(manifest), repository: jsonOf(join(shop.world.repository, "lifeboat.json")).id }));
  const unsigned = (await shop.world.expect(3, "list", "--json")).json();
  assert.deepEqual(
    unsigned.points.map(({ id, signed }: { id: string; signed: boolean }) => [id, signed]),
    [
      [own, true],
      [forged, false],
    ],
  );
  assert.ok((await shop.codes()).includes("POINT_UNSIGNED"));
  assert.equal((await shop.world.expect(0, "drill", "shop", "--json")).json().drills[0].point.id, own, "the newest that is ours");
  assert.equal((await shop.world.expect(30, "restore", "shop", "--to", forged, "--into", "never", "--json")).code, "POINT_UNSIGNED");
  assert.equal((await shop.world.expect(30, "drill", "shop", "--to", forged, "--json")).code, "POINT_UNSIGNED");
  assert.equal((await shop.world.run("verify", forged, "--json")).exit, 12, "it is sealed for another identity");
  assert.deepEqual((await shop.world.expect(0, "expire", "shop", "--plan", "--json")).json().sources[0].remove, []);
});

test("R56 an unsigned backup is restored only on request, and proves nothing", { skip }, async (t) => {
  const { world, backup, folder } = await beginShop(t);
  const id = await backup();
  for (const name of readdirSync(folder(id))) if (name.endsWith(".sig")) rmSync(join(folder(id), name));
  assert.equal((await world.expect(30, "drill", "shop", "--to", id, "--json")).code, "POINT_UNSIGNED");
  const drilled = (await world.expect(3, "drill", "shop", "--to", id, "--unsigned", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "inconclusive");
  assert.ok(drilled.checks.some(({ name }: { name: string }) => name === "origin"));
  assert.equal((await world.expect(3, "verify", id, "--json")).json().verdict, "inconclusive");
  assert.equal((await world.run("drill", "shop", "--json")).code, "POINT_UNSIGNED");
});

test("R56 a folder under another date, a changed manifest and a part taken out of it are damage", { skip }, async (t) => {
  const { world, backups, backup, folder } = await beginShop(t);
  const id = await backup();
  const dated = join(backups, `20991231T000000Z-full-${id}`);
  cpSync(folder(id), dated, { recursive: true });
  assert.deepEqual(await names(world), [id]);
  assert.match(JSON.stringify((await world.expect(30, "list", "--json")).json().flaws), /20991231T.*belongs to another backup/);
  rmSync(dated, { recursive: true });

  const manifest = join(folder(id), "manifest.json");
  const sound = readFileSync(manifest);
  const without = jsonOf(manifest);
  without.parts = without.parts.filter(({ name }: { name: string }) => name !== "data");
  const zeros = jsonOf(manifest);
  zeros.fingerprint.digest = "0".repeat(64);
  const later = { ...jsonOf(manifest), startedAt: "2099-01-01T00:00:00.000Z", snapshotAt: "2099-01-01T00:00:00.000Z" };
  for (const [what, value] of Object.entries({ without, zeros, later })) {
    writeFileSync(manifest, JSON.stringify(value));
    const verified = await world.run("verify", id, "--json");
    assert.equal(verified.exit, 30, `${what}: ${verified.exit} ${verified.stderr}`);
    assert.equal((await world.run("restore", "shop", "--into", "never", "--json")).exit, 30, what);
    assert.equal((await world.run("status", "--json")).exit, 4, what);
  }
  writeFileSync(manifest, sound);
  assert.equal((await world.expect(0, "list", "--json")).json().points[0].verifiedAt, null, "nothing was marked as verified");
});

test("R34 R56 marks and evidence written by hand do not count", { skip }, async (t) => {
  const { world, backup, codes } = await beginShop(t);
  const id = await backup();
  const { id: repository } = jsonOf(join(world.repository, "lifeboat.json"));
  const now = new Date().toISOString();
  const marks = { format: 1, type: "marks", repository, source: "shop", id, revision: 9, verifiedAt: now, expiresAt: now };
  mkdirSync(join(world.repository, "sources/shop/marks"), { recursive: true });
  writeFileSync(join(world.repository, "sources/shop/marks", `${id}.json`), JSON.stringify(marks));
  const evidence = {
    ...{ format: 1, type: "evidence", repository, id: "zzzzzzzzzzzzzz", verb: "drill", source: "shop", startedAt: now, endedAt: now },
    ...{ who: { user: "u", host: "h", lifeboat: "0" }, point: { id, name: "p", snapshotAt: now }, target: "scratch", steps: [] },
    ...{ checks: [], verdict: "pass", reasons: [], objective: {}, achieved: {}, remarks: [], report: "0".repeat(64) },
  };
  const filed = join(world.repository, "evidence/shop/zzzzzzzzzzzzzz");
  mkdirSync(filed, { recursive: true });
  writeFileSync(join(filed, "evidence.json"), JSON.stringify(evidence));
  const said = await codes();
  for (const code of ["DRILL_MISSING", "NEVER_VERIFIED", "MARKS_UNSIGNED", "EVIDENCE_UNSIGNED"])
    assert.ok(said.includes(code), `${code}: ${said}`);
  const [point] = (await world.run("list", "--json")).json().points;
  assert.deepEqual([point.verifiedAt, point.expiresAt], [null, null]);
  // Garbage in their place stops nothing either.
  writeFileSync(join(world.repository, "sources/shop/marks", `${id}.json`), "");
  writeFileSync(join(filed, "evidence.json"), "{}");
  assert.ok((await codes()).includes("OBJECT_UNREADABLE"));
  await world.expect(0, "drill", "shop");
});

test("R56 a missing manifest turns status red by name, and nothing expires", { skip }, async (t) => {
  const { world, backup, folder, codes } = await beginShop(t, "policies:\n  p: { keepManual: 1s }\n");
  editConfig(world, (text) => text.replace("provider: postgres,", "provider: postgres, policy: p,"));
  const first = await backup();
  const second = await backup("--name", "the-newest");
  await names(world); // a catalog that has seen both
  rmSync(join(folder(second), "manifest.json"));
  assert.deepEqual(await names(world), [first]);
  const status = (await world.expect(4, "status", "--json")).json().sources[0];
  const missing = status.reasons.find(({ code }: { code: string }) => code === "POINT_MISSING");
  assert.match(missing.message, /the-newest/);
  assert.equal((await world.expect(30, "expire", "shop", "--json")).code, "INTEGRITY");
  assert.deepEqual(await names(world), [first]);
  await world.expect(0, "acknowledge", "shop", "--reason", "deleted by hand");
  assert.ok(!(await codes()).includes("POINT_MISSING"));
  await world.expect(0, "expire", "shop", "--json");
  assert.deepEqual(await names(world), [first], "the last one stays");
});

test("R56 missing or empty parts make a point red, and no good one expires instead", { skip }, async (t) => {
  const { world, backup, folder, codes } = await beginShop(t, "policies:\n  p: { keepManual: 1s }\n");
  editConfig(world, (text) => text.replace("provider: postgres,", "provider: postgres, policy: p,"));
  const first = await backup();
  const second = await backup();
  writeFileSync(join(folder(second), "data.zst.age"), "");
  assert.ok((await codes()).includes("POINT_INCOMPLETE"));
  await world.run("expire", "shop", "--json");
  assert.ok((await names(world)).includes(first), "the one that can be restored stays");
  assert.equal((await world.expect(0, "drill", "shop", "--json")).json().drills[0].point.id, first);
});

test("R56 a rollback of the repository is detected, and the missing points and holds are named", { skip }, async (t) => {
  const { world, backup } = await beginShop(t);
  const first = await backup();
  await world.expect(0, "hold", first, "--reason", "audit");
  const copy = `${world.repository}-copy`;
  cpSync(world.repository, copy, { recursive: true });
  await world.expect(0, "release", first);
  await world.expect(0, "hold", first, "--reason", "court");
  const second = await backup();
  rmSync(world.repository, { recursive: true });
  renameSync(copy, world.repository);
  const status = (await world.expect(4, "status", "--json")).json().sources[0];
  const said = JSON.stringify(status.reasons);
  assert.match(said, new RegExp(`POINT_MISSING[^}]*${second}`));
  assert.match(said, new RegExp(`MARKS_ROLLED_BACK[^}]*${first}`));
  assert.equal((await world.expect(30, "expire", "shop", "--json")).code, "INTEGRITY");
});

test("R56 after a rotation the old key still counts, unless it is distrusted", { skip }, async (t) => {
  const { world, backup, folder } = await beginShop(t);
  const first = await backup();
  await world.expect(0, "drill", "shop");
  await world.expect(0, "key", "rotate", join(world.directory, "second.pem"));
  const second = await backup();
  assert.deepEqual(await names(world), [first, second]);
  await world.expect(0, "list");
  await world.expect(0, "verify", first);
  const old = readdirSync(folder(second)).filter((name) => name.endsWith(".sig"));
  const signed = old.map((name) => readFileSync(join(folder(second), name)));
  const rotated = await world.expect(0, "key", "rotate", join(world.directory, "third.pem"), "--distrust", "--json");
  assert.ok(rotated.json().signed > 5);
  await world.expect(0, "list");
  assert.deepEqual(await names(world), [first, second]);
  assert.equal((await world.expect(0, "status", "--json")).json().verdict, "pass", "the evidence counts as well");
  for (const [index, name] of old.entries()) writeFileSync(join(folder(second), name), signed[index] ?? "");
  rmSync(join(world.directory, "state"), { recursive: true, force: true }); // a catalog keeps what it has checked
  const points = (await world.expect(3, "list", "--json")).json().points;
  assert.deepEqual(
    points.map(({ signed: counts }: { signed: boolean }) => counts),
    [true, false],
  );
});

test("R56 a second writer counts once its key is trusted; a machine without a key restores", { skip }, async (t) => {
  const { world, backup } = await beginShop(t);
  const first = await backup();
  const config = readFileSync(world.configFile, "utf8");
  const made = await world.expect(0, "key", "writer", join(world.directory, "second.pem"), "--json");
  const shown = await world.expect(0, "key", "show", join(world.directory, "writer.pem"));
  const asSecond = (trusted: string) =>
    editConfig(world, () => config.replace(/signing: \{.*\}/, `signing: { keyFile: second.pem, trusted: [${trusted}] }`));
  asSecond("");
  assert.equal((await world.run("drill", "shop", "--json")).code, "POINT_UNSIGNED", "the first is not trusted there");
  asSecond(shown.stdout.trim());
  const second = await backup();
  await world.expect(0, "drill", "shop", "--to", first);
  editConfig(world, () => config);
  assert.equal((await world.run("list", "--json")).json().points.find(({ id }: { id: string }) => id === second).signed, false);
  editConfig(world, () => config.replace(/signing: \{ (.*) \}/, `signing: { $1, trusted: [${made.json().publicKey}] }`));
  await world.expect(0, "drill", "shop", "--to", second);
  // Only to be read: no key, and both trusted.
  const both = `trusted: [${made.json().publicKey}, ${shown.stdout.trim()}]`;
  editConfig(world, () => config.replace(/signing: \{.*\}/, `signing: { ${both} }`));
  await world.expect(0, "list");
  assert.equal((await world.run("backup", "shop", "--json")).code, "KEY_MISSING");
});

test("R34 R56 the commands of docs/format.md verify a signature with openssl alone", { skip }, async (t) => {
  const { world, backup, folder } = await beginShop(t);
  const place = folder(await backup());
  const text = readFileSync(join(import.meta.dirname, "../../docs/format.md"), "utf8");
  const commands = /## Check a signature with openssl\n[\s\S]*?```sh\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  assert.match(commands, /openssl pkeyutl -verify/);
  cpSync(join(world.directory, "writer.pem"), join(place, "lifeboat-writer.pem"));
  const script = `set -e\nlifeboat() { "$PROGRAM" "$@"; }\n${commands}`;
  const env = { ...world.env, PROGRAM };
  const run = () => spawnSync("sh", ["-c", script], { cwd: place, env, encoding: "utf8" });
  const sound = run();
  assert.equal(sound.status, 0, sound.stderr);
  assert.match(sound.stdout, /Signature Verified Successfully/);
  const data = jsonOf(join(place, "manifest.json")).parts.find(({ name }: { name: string }) => name === "data");
  assert.ok(sound.stdout.includes(`${data.stored.sha256}  data.zst.age`));
  const [signature = ""] = readdirSync(place).filter((name) => name.startsWith("manifest.json.") && name.endsWith(".sig"));
  writeFileSync(join(place, signature), Buffer.alloc(64));
  assert.notEqual(run().status, 0);
});

test("R56 a damaged or replaced lifeboat.json is named, and a restore continues", { skip }, async (t) => {
  const { world, backup, codes } = await beginShop(t);
  await backup();
  const file = join(world.repository, "lifeboat.json");
  const sound = jsonOf(file);
  for (const value of [{ ...sound, id: "x/../../dir/name" }, { ...sound, id: "0".repeat(20) }, {}]) {
    writeFileSync(file, JSON.stringify(value));
    assert.ok((await codes()).includes("REPOSITORY_UNSIGNED"), JSON.stringify(value));
    const drilled = await world.run("drill", "shop", "--json");
    assert.equal(drilled.exit, 0, drilled.stderr);
  }
});
