// PostgreSQL's own pg_waldump as the judge of the log's reader.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Connection } from "../../src/ports/connection.ts";
import type { LogCluster } from "./log-cluster.ts";
import { openApplication } from "./postgres.ts";

export interface Judged {
  readonly lsn: string;
  readonly previous: string;
  readonly at: string | undefined;
}

/** What pg_waldump sees, with its positions written as the server writes them elsewhere. */
export async function judge(cluster: LogCluster, first: string, last: string): Promise<Judged[]> {
  const text = await cluster.run("pg_waldump", ["-p", join(cluster.data, "pg_wal"), first, last]);
  const plain = (lsn: string): string => lsn.replace(/\/0*(?=.)/, "/");
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const match = /lsn: (\S+), prev (\S+), desc: (.*)$/.exec(line);
      assert.ok(match, line);
      const [, lsn = "", previous = "", description = ""] = match;
      const stamp = /^rmgr: Transaction /.test(line)
        ? /^(?:COMMIT|ABORT)(?:_PREPARED)? (?:[^:]*: )?(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{6}) UTC/.exec(description)
        : null;
      return { lsn: plain(lsn), previous: plain(previous), at: stamp ? `${stamp[1]}T${stamp[2]}Z` : undefined };
    });
}

/** Writers side by side: their commits are not stamped in the order in which they are written. */
export async function writeAtOnce(connection: Connection): Promise<void> {
  const writer = async (): Promise<void> => {
    const client = await openApplication(connection);
    for (let n = 0; n < 150; n++) await client.query(n % 10 === 9 ? "begin; select txid_current(); rollback" : "select txid_current()");
    await client.close();
  };
  await Promise.all(Array.from({ length: 6 }, writer));
}
