// A restore depends only on its own manifest, parts and signatures in the storage.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

/** What becomes of everything else. */
const DAMAGE: readonly (readonly [what: string, harm: (file: string) => void])[] = [
  ["empty", (file) => writeFileSync(file, "")],
  ["{}", (file) => writeFileSync(file, "{}")],
  ["bytes", (file) => writeFileSync(file, Buffer.from([0, 255, 254, 10, 123]))],
  ["gone", (file) => rmSync(file)],
];

test("R33 R56 a restore to a point needs that point alone: all else may be damaged, empty or gone", { skip }, async (t) => {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 200) i",
  );
  const world = await beginWorld(t, { sources: { shop: source, crm: await freshDatabase() } });
  const ids: string[] = [];
  for (let n = 0; n < 2; n++) ids.push((await world.expect(0, "backup", "shop", "--json")).json().made[0].id);
  await world.expect(0, "hold", ids[0] ?? "");
  await world.expect(0, "drill", "shop", "--to", ids[1] ?? "");
  await world.expect(0, "verify", ids[1] ?? "");
  const files = (): string[] =>
    readdirSync(world.repository, { recursive: true, encoding: "utf8" })
      .filter((name) => !name.startsWith(".tmp") && statSync(join(world.repository, name)).isFile())
      .filter((name) => !name.includes(ids[1] ?? "") || !name.includes("/backups/"));
  for (const [n, [what, harm]] of DAMAGE.entries()) {
    for (const name of files()) if (what !== "gone" || !name.startsWith("lifeboat.json")) harm(join(world.repository, name));
    for (const name of ["leases/restore-shop-01zzzzzzzzzzzz.json", "leases/x/y.json", "jobs/2026/11/21/01zzzzzzzzzzzz.json"]) {
      const file = join(world.repository, name);
      if (what === "gone") continue;
      rmSync(file, { force: true });
      mkdirSync(join(file, ".."), { recursive: true });
      harm(file);
    }
    const restored = await world.run("restore", "shop", "--to", ids[1] ?? "", "--into", `restored_${n}`);
    assert.equal(restored.exit, 0, `${what}: ${restored.stderr}${restored.stdout}`);
    const drilled = await world.run("drill", "shop", "--to", ids[1] ?? "");
    assert.equal(drilled.exit, 0, `${what}: ${drilled.stderr}${drilled.stdout}`);
    assert.notEqual((await world.run("status", "shop", "--json")).json().verdict, "pass", what);
    for (const args of [["list"], ["jobs"], ["verify", ids[1] ?? ""]]) {
      const ran = await world.run(...args);
      assert.ok(ran.exit !== null && ran.exit !== 70, `${what}: ${args.join(" ")}: ${ran.exit} ${ran.stderr}`);
    }
  }
});
