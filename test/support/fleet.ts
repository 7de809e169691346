// A fleet of the Neon sandbox for tests, gone at the end of the test; and what the server's own pg_waldump says of a line's log.
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openFleet } from "../../packages/sandbox/neon/fleet/fleet.ts";
import type { Fleet } from "../../packages/sandbox/neon/fleet/fleet-types.ts";
import { baseEnvironment } from "../../src/process/environment.ts";
import { runProgram } from "../../src/process/run.ts";
import { postgresBin } from "./postgres.ts";

export interface TestFleet {
  readonly fleet: Fleet;
  readonly directory: string;
}

export const fleetDirectory = (): string => join(tmpdir(), `lifeboat-fleet-${randomBytes(5).toString("hex")}`);

export async function testFleet(t: TestContext): Promise<TestFleet> {
  const directory = fleetDirectory();
  const fleet = await openFleet({ directory, bin: postgresBin() });
  t.after(() => fleet.end());
  return { fleet, directory };
}

/** A database `shop` of a role `owner`, with a table that notes by which transaction each row was written. */
export const SHOP = ["create role owner login", "create database shop owner owner"] as const;
export const TABLE = "create table t (xid xid8 not null default pg_current_xact_id(), note text); grant all on t to owner";

/** The first column of every row. */
export async function column(fleet: Fleet, line: string, sql: string): Promise<string[]> {
  return (await fleet.execute(line, "shop", sql)).map((row) => String(Object.values(row)[0]));
}

export interface Commit {
  readonly xid: string;
  readonly lsn: bigint;
  /** As `2026-11-21 06:42:11.123456 UTC`: compares as text. */
  readonly at: string;
}

/** Every commit in the log of a line, in its order, from the first segment of its timeline on. */
export async function commitsOf(directory: string, line: string): Promise<Commit[]> {
  const pgWal = join(directory, "lines", line, "data", "pg_wal");
  const names = readdirSync(pgWal)
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort();
  // Told its files: left to choose the first one by itself, it may take one that is not written yet, and then knows no segment size.
  // It ends with a complaint, and a status, about the end of the log.
  const args = ["--rmgr", "Transaction", join(pgWal, names[0] ?? ""), names.at(-1) ?? ""];
  const { stdout } = await runProgram(join(postgresBin(), "pg_waldump"), args, {
    env: { ...baseEnvironment(), TZ: "UTC" },
    timeoutMs: 60_000,
    maxOutputBytes: 64 * 1024 * 1024,
  });
  const records = stdout.matchAll(/tx:\s*(\d+), lsn: ([0-9A-F]+)\/([0-9A-F]+), .*desc: COMMIT (\d{4}-\S+ \S+ UTC)/g);
  return [...records].map(([, xid = "", high, low, at = ""]) => ({ xid, lsn: (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`), at }));
}

export const HEAD = { kind: "head" } as const;
export const note = (text: string): string => `insert into t (note) values ('${text}')`;
export const notes = (fleet: Fleet, line: string): Promise<string[]> => column(fleet, line, "select note from t order by note");

/** So far apart that no two commits fall into one millisecond, which is all that a Date can tell. */
export async function instant(): Promise<Date> {
  await sleep(3);
  const at = new Date();
  await sleep(3);
  return at;
}

/** A line with the shop's table. */
export async function shop(fleet: Fleet): Promise<string> {
  const line = await fleet.createLine({ sql: SHOP });
  await fleet.execute(line, "shop", TABLE);
  return line;
}
