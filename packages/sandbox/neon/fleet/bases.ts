// Copies of data directories from which forks are recovered. The template is enough for every fork of every line; a line that wrote
// much gets another one when its server is down anyway, so that no fork replays the same WAL again and again.
import { link, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseLsn } from "../../../../src/core/lsn.ts";
import { readControlFile } from "../../../../src/engines/postgres/cluster/control-file.ts";
import { type Host, run } from "./host.ts";
import { type Base, historyOf, type Line, type Origin } from "./line.ts";
import { dataOf, makeOwn, sizeOf } from "./place.ts";

/** Replaying this much takes about as long as copying a small cluster. */
const WORTH_A_BASE_BYTES = 32n * 1024n * 1024n;

/** Not of the data as such, or copied by itself: the log comes from elsewhere, and the rest is of a server that runs. */
const NOT_COPIED = new Set(["base", "pg_wal", "postmaster.pid", "postmaster.opts"]);

export async function templateBase(host: Host): Promise<Base> {
  const redo = await redoOf(host, host.place.template);
  return { data: host.place.template, redo, at: redo };
}

/** The newest base that the origin's log can be replayed onto, and whose it is. */
export function baseFor(origin: Origin): { readonly of: Line; readonly base: Base } {
  for (const { line, until = origin.position } of historyOf(origin.line).reverse()) {
    const base = line.own?.bases.findLast(({ at }) => at <= until);
    if (base !== undefined) return { of: line, base };
  }
  throw new Error(`no data is left that line ${origin.line.id} could be recovered from`);
}

/** Whether a fork of the line's head would have much to replay. */
export async function deservesBase(line: Line): Promise<boolean> {
  if (line.own === undefined) return false;
  const position = await line.own.log.end();
  return position - baseFor({ line, position }).base.at >= WORTH_A_BASE_BYTES;
}

/** Adds a base of a line whose server was shut down cleanly. */
export async function addBase(host: Host, line: Line): Promise<void> {
  const { own } = line;
  if (own === undefined) return;
  const at = await own.log.end();
  const data = join(host.place.lines, line.id, `base-${own.bases.length}`);
  const source = dataOf(host.place, line.id);
  await copyData(host, source, data);
  own.bases.push({ data, redo: await redoOf(host, source), at });
}

/** Removes the data of a line that only forks still need: they need its WAL and its bases. */
export async function keepOnlyLog(host: Host, line: Line): Promise<void> {
  const data = dataOf(host.place, line.id);
  if (line.own === undefined) return;
  line.own.removedSizeBytes = await sizeOf(join(data, "base"));
  for (const name of await readdir(data)) {
    if (name !== "pg_wal") await rm(join(data, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Copies a data directory whose server is down, without its log. */
export async function copyData(host: Host, from: string, to: string): Promise<void> {
  await makeOwn(to, host.user);
  await makeOwn(join(to, "base"), host.user);
  const databases = (await readdir(join(from, "base"))).filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(a) - Number(b));
  // What initdb makes, in this order in every version: template1, template0, postgres.
  const [, template0 = ""] = databases;
  await run(host, "cp", ["-R", ...(await readdir(from)).filter((name) => !NOT_COPIED.has(name)).map((name) => join(from, name)), to]);
  await run(host, "cp", [
    "-R",
    ...databases.filter((name) => name !== template0).map((name) => join(from, "base", name)),
    join(to, "base"),
  ]);
  await shareDatabase(host, join(from, "base", template0), join(to, "base", template0));
  await makeOwn(join(to, "pg_wal"), host.user);
  await makeOwn(join(to, "pg_wal", "archive_status"), host.user);
}

/**
 * The same files under another name: a third of the files of a small cluster, and so of the time that copying it takes. Only for
 * template0: it takes no connections, its rows are frozen, and dropping it removes names; so no server writes into its files.
 */
async function shareDatabase(host: Host, from: string, to: string): Promise<void> {
  await makeOwn(to, host.user);
  const names = await readdir(from);
  await Promise.all(names.map((name) => link(join(from, name), join(to, name))));
}

async function redoOf({ bin, signal }: Host, data: string): Promise<bigint> {
  const control = await readControlFile(bin, data, signal);
  return parseLsn(control.get("Latest checkpoint's REDO location") ?? "");
}
