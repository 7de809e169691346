// What is handed over must not act by itself: its server, started where the origin still runs, would take changes that the
// origin is waiting for, and write into the origin's archive.
import { constants } from "node:fs";
import { lchown, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { ServerUser } from "../../../process/server-user.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { openClient } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";

/** Turns off every subscription of every database, while the server still runs without a network. Gives sentences on what was done. */
export async function disableSubscriptions(cluster: Cluster): Promise<readonly string[]> {
  const enabled = await ask<{ database: string; name: string }>(
    cluster,
    "postgres",
    `select d.datname::pg_catalog.text as database, s.subname::pg_catalog.text as name from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid
     where s.subenabled and d.datallowconn and d.datconnlimit <> -2 order by 1, 2`,
  );
  for (const { database, name } of enabled) await ask(cluster, database, `alter subscription ${quote(name)} disable`);
  return enabled.map(
    ({ database, name }) =>
      `subscription ${name} in ${database} is disabled, or it would take changes from the original: only where that is gone for good, \`alter subscription ${quote(name)} enable\``,
  );
}

async function ask<R extends Record<string, unknown>>(cluster: Cluster, database: string, sql: string): Promise<R[]> {
  const client = await openClient(cluster.connection(database));
  try {
    return await client.query<R>(sql);
  } finally {
    await client.close();
  }
}

/** Where the origin's `alter system` settings wait while the log is replayed. */
const ASIDE = "postgresql.auto.conf.origin";

/**
 * The origin's settings may name a locale, a compression or a library that this machine lacks. A server refuses such a value even
 * where another one overrides it, so it does not see the file. What replay needs of it is in the control file too.
 */
export async function setConfigurationAside(directory: string): Promise<void> {
  await rename(join(directory, "postgresql.auto.conf"), join(directory, ASIDE)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

/** Settings with which a server acts on others, waits for others, or runs programs. */
const ACTING =
  /^\s*(archive_mode|archive_command|archive_library|primary_conninfo|primary_slot_name|synchronous_standby_names|restore_command|recovery_end_command|archive_cleanup_command|recovery_target\w*|include\w*)\b/i;

const NOTE = "# Lifeboat: this is a copy, on a timeline of its own. It archives nothing until it has an archive of its own.";

/**
 * Brings back what the origin's `alter system` says, with such settings as comments, and turns archiving off, overriding the other files.
 * Gives the names of the settings that were there.
 */
export async function quietConfiguration(directory: string, owner: ServerUser | undefined): Promise<readonly string[]> {
  const path = join(directory, "postgresql.auto.conf");
  const aside = join(directory, ASIDE);
  const lines = ((await textOf(aside)) ?? (await textOf(path)) ?? "").split("\n");
  const found = lines.flatMap((line) => ACTING.exec(line)?.[1]?.toLowerCase() ?? []);
  const quiet = lines.map((line) => (ACTING.test(line) ? `# ${line.trimStart()}` : line)).join("\n");
  const fresh = `${path}.lifeboat`;
  await rm(fresh, { recursive: true, force: true });
  // Never through a link: the directory belongs to the server, and code in the data ran in it.
  const file = await open(fresh, "wx", 0o600);
  try {
    await file.writeFile(`${quiet.trimEnd()}\n${NOTE}\narchive_mode = 'off'\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  if (owner) await lchown(fresh, owner.uid, owner.gid);
  await rename(fresh, path);
  await rm(aside, { force: true });
  return [...new Set(found)];
}

const LONGEST_BYTES = 16 * 1024 * 1024;

/** Undefined when there is no such file. */
async function textOf(path: string): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new LifeboatError("TOOL_FAILED", `${path} cannot be read: ${cause.message}`, { cause });
  });
  if (file === undefined) return undefined;
  try {
    const facts = await file.stat();
    if (!facts.isFile() || facts.size > LONGEST_BYTES) throw new LifeboatError("TOOL_FAILED", `${path} is not a server's configuration`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}
