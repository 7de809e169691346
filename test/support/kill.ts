// kill -9 at a chosen request: the storage stops answering there, the program hangs and is killed; and the assertions afterwards.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "../../src/ports/connection.ts";
import { objectOfSignature } from "../../src/repository/signed.ts";
import { forget } from "./planted.ts";
import { freshDatabase, query } from "./postgres.ts";
import { beginWorld, type World } from "./program.ts";
import type { S3Emulator } from "./s3/emulator.ts";
import { CHANGES, type Operation } from "./s3/faults.ts";
import { startSandboxedS3 } from "./s3-sandbox.ts";

/** Far more requests than any of these commands makes: reaching it means that one never ends. */
const TOO_MANY = 250;

/** The objects of a full backup. */
const WHOLE = ["data.zst.age", "fingerprint.zst.age", "manifest.json", "roles-sql.zst.age", "roles.zst.age"];

export type WorldOnS3 = World & { readonly s3: S3Emulator };

export async function worldOnS3(t: TestContext, source: Connection, yaml = "", more?: string, behindMs = 3_600_000): Promise<WorldOnS3> {
  // An hour behind: what a killed process left is old at once.
  const { sandbox, stop } = await startSandboxedS3({ minPartBytes: 5 * 1024 ** 2, clock: () => Date.now() - behindMs });
  t.after(stop);
  return {
    ...(await beginWorld(t, { sources: { shop: source }, s3: sandbox, yaml, ...(more === undefined ? {} : { source: more }) })),
    s3: sandbox,
  };
}

export async function smallSource(): Promise<Connection> {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 2000) i",
  );
  return source;
}

/** The Nth request of these operations. Between two that change the storage, only this machine changes. */
interface Moment {
  readonly n: number;
  readonly of?: readonly Operation[];
}

/** Runs the command until that request, which is never answered, and kills it there. False when it ended before. */
export async function killedAt(world: WorldOnS3, { n, of = CHANGES }: Moment, ...args: readonly string[]): Promise<boolean> {
  const { faults } = world.s3;
  if (n > TOO_MANY) throw new Error(`lifeboat ${args[0]} makes more than ${TOO_MANY} requests`);
  const seen = (): number => of.reduce((sum, operation) => sum + (faults.seen.get(operation) ?? 0), 0);
  const before = seen();
  if (n > 1) faults.next({ operation: of, times: n - 1, effect: { kind: "latency", ms: 0 } });
  faults.next({ operation: of, times: Number.POSITIVE_INFINITY, effect: { kind: "stall" } });
  const running = world.start(...args);
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!over && seen() - before < n) await sleep(2);
  if (!over) running.kill("SIGKILL");
  const { signal, exit, stderr } = await running.ended;
  faults.clear();
  if (signal === "SIGKILL") return true;
  assert.equal(exit, 0, stderr);
  return false;
}

/** Names in the bucket by what they are. */
export function bucket(s3: S3Emulator) {
  const all = [...s3.store.objects.keys()].map((key) => key.replace(/^repo\//, ""));
  // The signature of an object that is there belongs to it; one of an object that is not is looked at as everything else.
  const keys = all.filter((key) => !all.includes(objectOfSignature(key) ?? ""));
  const of = (prefix: string): string[] => keys.filter((key) => key.startsWith(prefix));
  return {
    leases: of("leases/"),
    backups: of("sources/shop/backups/"),
    marks: of("sources/shop/marks/").filter((key) => key.endsWith(".json")),
    rest: keys.filter((key) => !/^(leases|sources|jobs|evidence|audit)\//.test(key)),
  };
}

/**
 * After the clean-up: whole backups and nothing else. An empty probe of whether the server honours conditions may lie about
 * until the next command that writes.
 */
export async function assertOnlyWhole(world: WorldOnS3, context: string, probes = false): Promise<void> {
  const { points } = (await world.expect(0, "list", "--json")).json();
  const { leases, backups, rest } = bucket(world.s3);
  assert.deepEqual([leases, probes ? rest.filter((key) => !key.startsWith("probe-")) : rest], [[], ["lifeboat.json"]], context);
  const folders = new Set(backups.map((key) => key.split("/")[3]));
  assert.equal(folders.size, points.length, `${context}: every folder is a restore point`);
  assert.deepEqual(backups.map((key) => key.split("/")[4]).sort(), points.flatMap(() => WHOLE).sort(), context);
  await world.assertNothingLeft();
}

/** Empties the repository, and the memory that would miss what was there. */
export function beginAnew(world: WorldOnS3): void {
  for (const key of [...world.s3.store.objects.keys()]) if (/^repo\/(sources|jobs)\//.test(key)) world.s3.store.delete(key);
  forget(world);
}
