// Comparing a table with its restored copy by key: against the fingerprints of both, which only tell whether anything differs.
import { openClient } from "../src/engines/postgres/connect/client.ts";
import type { Connection } from "../src/ports/connection.ts";
import { compare, type Measured, measure } from "./measure.ts";

export const FINGERPRINTS = "fingerprints of both sides, at once";
export const IDENTICAL = "comparison by key, identical";
export const SCATTERED = "comparison by key, 1 000 scattered differences";

const events = `create table events (id bigint primary key, user_id bigint, state text, at timestamptz, total numeric(12,2), note text)`;

async function fill(connection: Connection, rows: number): Promise<void> {
  const client = await openClient(connection);
  await client.query("set search_path to public");
  await client.query(events);
  await client.query(
    `insert into events select n, n % 99991, (array['placed','paid','sent'])[1 + n % 3], timestamptz '2021-01-01' + n * interval '11 seconds',
       (n % 1000000) / 3.0, md5(n::text) || md5((n + 1)::text) from generate_series(1, ${rows}) n`,
  );
  await client.query("vacuum analyze events");
  await client.close();
}

/** `reladiff`: the program to run beside, or undefined where it is absent. */
export async function benchMerge(
  past: Connection,
  now: Connection,
  millionRows: number,
  rounds: number,
  given: Readonly<Record<string, string>>,
  reladiff: string | undefined,
): Promise<Record<string, Measured>> {
  const env = { ...given, PAST_URL: past.url, DATABASE_URL: now.url };
  // With the young generation that `bin/lifeboat` runs with, which decides the memory.
  const node = "nice -n 0 tools/node/node --max-semi-space-size=1";
  await measure("createdb past", env);
  await fill(past, millionRows * 1_000_000);
  await measure("createdb -T past now", env);
  const lines = {
    [FINGERPRINTS]: `${node} bench/fingerprint.ts & DATABASE_URL=$PAST_URL ${node} bench/fingerprint.ts; wait`,
    [IDENTICAL]: `${node} bench/compare-rows.ts`,
  };
  const identical = await compare(lines, rounds, env);
  await measure(`psql -qd now -c "update events set note = 'changed' where id % ${millionRows * 1000} = 7"`, env);
  const peer: Record<string, string> =
    reladiff === undefined ? {} : { reladiff: `${reladiff} "$PAST_URL" events "$DATABASE_URL" events -k id -c %` };
  const scattered = await compare({ [SCATTERED]: `${node} bench/compare-rows.ts`, ...peer }, rounds, env);
  return { ...identical, ...scattered };
}
