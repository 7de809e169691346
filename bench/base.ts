// A base backup compared with a full backup of pgBackRest, which has two processes, of the same cluster.
import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beginCluster } from "../src/engines/postgres/cluster/cluster.ts";
import { layoutOf } from "../src/engines/postgres/cluster/layout.ts";
import { partsOf } from "../src/engines/postgres/connect/url.ts";
import { serverUser } from "../src/process/server-user.ts";
import { buildDatabase } from "./database.ts";
import { compare, type Measured, measure } from "./measure.ts";
import { benchRecovery, type RecoveryRuns } from "./recovery.ts";

/** Compressions of pgBackRest: its default, and the one that compares with ours. Its encryption stays off. */
const THEIRS = ["gz", "zst"] as const;

export interface BaseBench {
  readonly bin: string;
  /** The command line under test. */
  readonly lifeboat: string;
  readonly millionRows: number;
  readonly rounds: number;
  /** Also bring both backups back. */
  readonly restores?: boolean;
}

export interface BaseRuns {
  readonly backups: Readonly<Record<string, Measured>>;
  readonly restores?: RecoveryRuns | undefined;
}

/** Undefined, with a line of why, where pgBackRest is not installed. */
export async function benchBase({ bin, lifeboat, millionRows, rounds, restores }: BaseBench): Promise<BaseRuns | undefined> {
  if (spawnSync("pgbackrest", ["version"]).status !== 0) {
    console.log("\nBase backup: pgbackrest is not installed");
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-bench-base-"));
  const cluster = await beginCluster({
    directory: `${folder}-cluster`,
    bin,
    jobId: "bench-base",
    durable: false,
    settings: {
      shared_buffers: "1GB",
      max_wal_size: "4GB",
      wal_level: "replica",
      max_wal_senders: "5",
      full_page_writes: "on",
      // pgBackRest asks for archiving; that nothing comes of it is told to it below.
      archive_mode: "on",
      archive_command: "true",
    },
  });
  // pgBackRest reads the files themselves, as the server's user.
  const theirs = `${folder}-pgbackrest`;
  try {
    const shop = cluster.connection("shop");
    const { host, port, user, password } = partsOf(shop);
    const env = {
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGPASSWORD: password ?? "",
      DATABASE_URL: shop.url,
      F: folder,
      P: theirs,
    };
    const ours = `${lifeboat} --config ${folder}/lifeboat.yaml --quiet`;
    const as = await serverUser();
    const switched = as === undefined ? "" : `setpriv --reuid ${as.uid} --regid ${as.gid} --clear-groups `;
    await measure(`${ours} init --repository $F/repository --source shop`, env);
    await measure(`${bin}/createdb shop`, env);
    console.log(`building a cluster of ${millionRows} million rows`);
    console.log(`  ${await buildDatabase(shop, millionRows)}`);
    mkdirSync(theirs);
    const lines: Record<string, string> = { "lifeboat backup --kind base": `cd / && ${ours} backup shop --kind base` };
    const calls: Record<string, string> = {};
    for (const compression of THEIRS) {
      const own = join(theirs, compression);
      for (const path of [own, ...["repo", "log", "lock", "spool"].map((name) => join(own, name))]) mkdirSync(path);
      const settings = {
        "repo1-path": `${own}/repo`,
        "repo1-retention-full": 1,
        "log-path": `${own}/log`,
        "lock-path": `${own}/lock`,
        "spool-path": `${own}/spool`,
        "log-level-console": "warn",
        "process-max": 2,
        "compress-type": compression,
        "start-fast": "y",
        "archive-check": "n",
      };
      const stanza = { "pg1-path": layoutOf(cluster.directory).data, "pg1-port": port, "pg1-socket-path": host, "pg1-user": user };
      const section = (values: object): string =>
        Object.entries(values)
          .map(([name, value]) => `${name}=${value}\n`)
          .join("");
      writeFileSync(join(own, "conf"), `[global]\n${section(settings)}[shop]\n${section(stanza)}`);
      if (as !== undefined) for (const name of ["repo", "log", "lock", "spool"]) chownSync(join(own, name), as.uid, as.gid);
      const call = `cd / && ${switched}pgbackrest --config=${own}/conf --stanza=shop`;
      await measure(`${call} --no-online stanza-create`, env);
      calls[compression] = call;
      lines[`pgbackrest, process-max 2, ${compression}`] = `${call} --type=full backup`;
    }
    const backups = await compare(lines, rounds, env);
    if (!restores) return { backups };
    return { backups, restores: await benchRecovery({ ours, theirs: calls, folder: theirs, owner: as, rounds, env }) };
  } finally {
    await cluster.stop();
    for (const path of [folder, theirs]) rmSync(path, { recursive: true, force: true });
  }
}
