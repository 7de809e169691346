// An erasure ledger in a storage that an attacker can write to: no erased row comes back unnoticed, and nothing forged erases a row.
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openLedgerWorld, refusal } from "../support/erasures.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

test("R61 R56 a removed, unsigned or older erasure ledger is noticed, and a forged entry erases nothing", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table users (id int primary key); insert into users select generate_series(1, 9)");
  const world = await beginWorld(t, { sources: { shop } });
  const { lifeboat, ...ledgers } = await openLedgerWorld(t, world);
  await ledgers.backup();
  const folder = join(world.repository, "sources/shop");
  const kept = join(world.directory, "kept");
  const keep = (as: string): void => cpSync(folder, join(kept, as), { recursive: true });
  const putBack = (from: string): void => {
    for (const name of readdirSync(folder).filter((one) => one.startsWith("erasures"))) rmSync(join(folder, name), { recursive: true });
    for (const name of readdirSync(join(kept, from)).filter((one) => one.startsWith("erasures")))
      cpSync(join(kept, from, name), join(folder, name), { recursive: true });
  };
  const forget = async (key: string): Promise<string> => (await ledgers.forget({ table: "users", keys: [key] })).entry.id;
  const drilled = async () => {
    const { erasures, checks, verdict } = await ledgers.drill();
    const said = checks.filter(({ name, outcome }) => name === "erasure ledger" && outcome !== "pass");
    return { rows: erasures?.rows, verdict, said: said.map(({ message }) => message).join("\n") };
  };

  keep("nothing");
  const first = await forget("1");
  keep("one");
  const second = await forget("2");
  keep("two");
  assert.deepEqual(await drilled(), { rows: 2, verdict: "pass", said: "" });

  // All of it is gone: nothing is erased, and nothing is green.
  putBack("nothing");
  const gone = await drilled();
  assert.deepEqual([gone.rows, gone.verdict], [undefined, "inconclusive"]);
  for (const id of [first, second])
    assert.match(gone.said, new RegExp(`restored without the erasure ledger, or without a part of it: erasure ${id} of shop is missing`));
  /** Whether a beat leaves the alert open. */
  const isTold = async (): Promise<boolean> => {
    await lifeboat.run("tick", {});
    return (await lifeboat.run("alerts", {})).open.some(({ code }) => code === "ERASURES_LOST");
  };
  assert.equal(await isTold(), true);
  await refusal(forget("3"), "INTEGRITY");
  assert.match((await world.expect(30, "erasures")).stdout, new RegExp(`erasure ${second} of shop is missing`));

  // An older one, with a valid signature.
  putBack("one");
  const older = await drilled();
  assert.deepEqual([older.rows, older.said.includes(second), older.said.includes(first)], [1, true, false]);

  // An entry that the attacker adds: the whole ledger no longer counts, and its entry erases nothing.
  putBack("two");
  const ledger = join(folder, "erasures.json");
  const forged = JSON.parse(readFileSync(ledger, "utf8"));
  forged.entries.push({ ...forged.entries[0], id: "01forged" });
  cpSync(join(folder, "erasures", `${first}.zst.age`), join(folder, "erasures", "01forged.zst.age"));
  writeFileSync(ledger, JSON.stringify(forged));
  const unsigned = await drilled();
  assert.equal(unsigned.rows, undefined);
  assert.match(unsigned.said, /erasures\.json is not signed by a trusted key and erases nothing/);

  // The keys of one entry in the place of another's, and gone.
  putBack("two");
  cpSync(join(folder, "erasures", `${first}.zst.age`), join(folder, "erasures", `${second}.zst.age`));
  const exchanged = await drilled();
  assert.deepEqual([exchanged.rows, exchanged.said.includes(`erasure ${second} cannot be opened`)], [1, true]);
  putBack("two");
  rmSync(join(folder, "erasures", `${second}.zst.age`));
  assert.match((await drilled()).said, new RegExp(`erasure ${second} cannot be opened`));

  // A revocation that is undone.
  putBack("two");
  await lifeboat.run("erasures revoke", { erasure: second, reason: "wrong person" });
  assert.deepEqual(await drilled(), { rows: 1, verdict: "pass", said: "" });
  putBack("two");
  assert.match((await drilled()).said, new RegExp(`erasure ${second} of shop was revoked, and its revocation is missing`));

  await lifeboat.run("acknowledge", { source: "shop", reason: "lost" });
  assert.deepEqual(await drilled(), { rows: 2, verdict: "pass", said: "" });
  assert.equal(await isTold(), false);
  await world.assertNothingLeft();
});
