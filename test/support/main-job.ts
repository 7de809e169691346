// The main job with the real program: init, backup, verify, drill, restore into a new database; from disk and from S3.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { featuresSql } from "./features-database.ts";
import { dataSet, freshDatabase, loadSql, query, sharedCluster, skipWithoutPostgres } from "./postgres.ts";
import { beginWorld, type World } from "./program.ts";
import { temporaryDirectory } from "./repository.ts";
import { startSandboxedS3 } from "./s3-sandbox.ts";

const engine = openPostgresEngine();

/** The database of that name beside another one. */
export async function sibling(name: string): Promise<Connection> {
  return (await sharedCluster()).connection(name);
}

export const fingerprintOf = (connection: Connection) => engine.fingerprint(connection, { kind: "full" });

async function fillWith(t: TestContext, database: string, connection: Connection): Promise<boolean> {
  if (database === "features") {
    const file = join(await temporaryDirectory(t), "features.sql");
    writeFileSync(file, featuresSql);
    await loadSql(connection, file);
    return true;
  }
  const file = dataSet(`${database}.sql`);
  if (file === undefined) t.skip(`the data set ${database} is not at ../shared/data`);
  else await loadSql(connection, file);
  return file !== undefined;
}

/** Backup, verify, drill, restore; every result looked at. Returns the restored database. */
async function mainJob(world: World, source: Connection, name: string): Promise<Connection> {
  const made = (await world.expect(0, "backup", "shop", "--json", "--reason", "round trip")).json().made[0];
  assert.match(made.id, /^[0-9a-z]+$/);
  for (const key of ["sizeBytes", "sourceBytes", "seconds"]) assert.ok(made[key] > 0, key);
  assert.match(made.fingerprint.digest, /^[0-9a-f]{64}$/);

  const verified = (await world.expect(0, "verify", made.id, "--json")).json();
  assert.deepEqual([verified.verdict, verified.opened, verified.id], ["pass", true, made.id]);

  const drilled = (await world.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass", JSON.stringify(drilled.reasons));
  assert.deepEqual(
    drilled.steps.map((step: { name: string }) => step.name),
    ["fetch", "create", "load", "verify", "clean up"],
  );
  assert.ok(drilled.achieved.rtoSeconds > 0 && drilled.achieved.rpoSeconds >= 0);
  assert.ok(drilled.checks.some(({ kind, outcome }: { kind: string; outcome: string }) => kind === "data" && outcome === "pass"));
  assert.match(drilled.evidence, new RegExp(`^evidence/shop/${drilled.job}/`));

  const restored = (await world.expect(0, "restore", "shop", "--into", name, "--json")).json();
  assert.equal(restored.verdict, "pass", JSON.stringify(restored.reasons));
  const connection = await sibling(name);
  const [before, after] = await Promise.all([fingerprintOf(source), fingerprintOf(connection)]);
  assert.deepEqual(
    engine.compare(before, after).filter(({ outcome }) => outcome !== "pass"),
    [],
  );
  assert.deepEqual(after.tables, before.tables, "every table's rows and digest are equal");

  const { points } = (await world.expect(0, "list", "--json")).json();
  assert.equal(points.length, 1);
  const { id, source: of, kind, sizeBytes, hold, verifiedAt, reason, tiers } = points[0];
  assert.deepEqual(
    { id, of, kind, sizeBytes, hold, reason, tiers },
    { id: made.id, of: "shop", kind: "full", sizeBytes: made.sizeBytes, hold: null, reason: "round trip", tiers: [] },
  );
  assert.ok(Date.parse(verifiedAt) > 0);
  for (const key of ["name", "time", "expiresAt", "storageClass"]) assert.ok(key in points[0], key);

  const status = (await world.expect(0, "status", "--json")).json().sources[0];
  assert.deepEqual(
    [status.name, status.provider, status.engine, status.verdict, status.reasons],
    ["shop", "postgres", "postgres", "pass", []],
  );
  assert.equal(status.lastBackup.id, made.id);
  assert.deepEqual([status.lastDrill.verdict, status.window.latest, typeof status.exposureSeconds], ["pass", points[0].time, "number"]);

  await world.assertNothingLeft();
  await assertNothingOnServer();
  return connection;
}

export async function assertNothingOnServer(): Promise<void> {
  const rows = await query(
    (await sharedCluster()).connection("postgres"),
    "select datname::text as d from pg_database where datname like 'lifeboat%'",
  );
  assert.deepEqual(rows, []);
  const roles = "select rolname::text from pg_roles where rolname like 'lifeboat%'";
  assert.deepEqual(await query((await sharedCluster()).connection("postgres"), roles), [], "the role of the load is gone too");
}

/** A test of the main job with a data set. */
export function mainJobTest(database: "chinook" | "pagila" | "features", place: "S3" | "a local directory"): void {
  test(`R2 R6 R19 R20 R21 R22 R32 R33 R34 ${database} is restored with an equal fingerprint from ${place}`, {
    skip: skipWithoutPostgres(),
  }, async (t) => {
    const source = await freshDatabase();
    if (!(await fillWith(t, database, source))) return;
    const sandboxed = place === "S3" ? await startSandboxedS3() : undefined;
    t.after(() => sandboxed?.stop());
    const world = await beginWorld(t, { sources: { shop: source }, ...(sandboxed && { s3: sandboxed.sandbox }) });
    await mainJob(world, source, `new_${database}`);
  });
}
