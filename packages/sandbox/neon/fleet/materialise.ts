// Makes the data of a line: a first line from the template, a fork by real recovery of its origin's log up to the very position.
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../../src/core/errors.ts";
import { formatLsn, historyName, parseLsn } from "../../../../src/core/lsn.ts";
import { readHistory } from "../../../../src/engines/postgres/log/segments.ts";
import { runSql } from "./admin.ts";
import { baseFor, copyData, templateBase } from "./bases.ts";
import { type Host, run } from "./host.ts";
import type { Line, Origin, OwnData } from "./line.ts";
import { LineLog } from "./log.ts";
import { dataOf, makeOwn, writeOwn } from "./place.ts";
import { makeReplayFolder } from "./replay-folder.ts";
import { type Server, startServer } from "./server.ts";

const SEGMENT = /^[0-9A-F]{24}$/;

/** Makes the data and leaves its server running. When it fails, nothing is left of it. */
export async function materialise(host: Host, line: Line): Promise<Server> {
  const directory = join(host.place.lines, line.id);
  await makeOwn(directory, host.user);
  let server: Server | undefined;
  try {
    server = line.origin === undefined ? await startFirst(host, line) : await startFork(host, line, line.origin);
    line.own = line.origin === undefined ? await finishFirst(host, line, server) : await finishFork(host, line, line.origin);
    return server;
  } catch (error) {
    await server?.stop("at once");
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  }
}

async function startFirst(host: Host, line: Line): Promise<Server> {
  const data = dataOf(host.place, line.id);
  await copyData(host, host.place.template, data);
  await run(host, "cp", ["-R", join(host.place.template, "pg_wal"), data]);
  return await startServer(host, data);
}

async function finishFirst(host: Host, line: Line, server: Server): Promise<OwnData> {
  const base = await templateBase(host);
  for (const sql of line.sql) await runSql(host, server, "postgres", sql);
  const log = new LineLog(join(dataOf(host.place, line.id), "pg_wal"), 1, base.redo);
  return { log, beginsAt: await log.end(), bases: [base] };
}

async function startFork(host: Host, line: Line, origin: Origin): Promise<Server> {
  const data = dataOf(host.place, line.id);
  const { of, base } = baseFor(origin);
  await copyData(host, base.data, data);
  await makeReplayFolder(host, stageOf(host, line), of, base, origin);
  await writeOwn(join(data, "recovery.signal"), "", host.user);
  return await startServer(host, data, {
    // Relative to the data: no character of our directory's name means anything to a shell.
    restore_command: 'cp "../stage/%f" "%p"',
    recovery_target_timeline: String(timelineOf(origin)),
  });
}

async function finishFork(host: Host, line: Line, origin: Origin): Promise<OwnData> {
  const pgWal = join(dataOf(host.place, line.id), "pg_wal");
  const timeline = timelineOf(origin) + 1;
  await mustHaveReached(join(pgWal, historyName(timeline)), origin);
  await rm(stageOf(host, line), { recursive: true });
  // Recovery has ended with a checkpoint on the new timeline: what came before is in the data.
  for (const name of await readdir(pgWal)) {
    if (SEGMENT.test(name) && Number.parseInt(name.slice(0, 8), 16) !== timeline) await rm(join(pgWal, name));
  }
  return { log: new LineLog(pgWal, timeline, origin.position), beginsAt: origin.position, bases: [] };
}

const stageOf = (host: Host, line: Line): string => join(host.place.lines, line.id, "stage");

function timelineOf(origin: Origin): number {
  if (origin.line.own === undefined) throw new Error(`line ${origin.line.id} has no log`);
  return origin.line.own.log.timeline;
}

/** The history file that a server writes when it leaves a timeline says where it was: that must be the fork's position. */
async function mustHaveReached(history: string, origin: Origin): Promise<void> {
  const text = await readFile(history).catch(() => new Uint8Array());
  const reached = readHistory(text).at(-1)?.switchedAt;
  if (reached !== undefined && parseLsn(reached) === origin.position) return;
  const wanted = formatLsn(origin.position);
  throw new LifeboatError("RECOVERY_SHORT", `a fork at ${wanted} was replayed to ${reached ?? "an unknown position"} instead`);
}
