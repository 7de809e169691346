// Makes the data of a line: a first line from the template, a fork by real recovery of its origin's log up to the very position.
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { formatLsn, historyName, parseLsn } from "../../../core/lsn.ts";
import { readHistory } from "../../../engines/postgres/log/segments.ts";
import { runSql } from "./admin.ts";
import { baseFor, copyData, templateBase } from "./bases.ts";
import { type Grounds, run } from "./grounds.ts";
import type { Line, Origin, OwnData } from "./line.ts";
import { LineLog } from "./log.ts";
import { dataOf, makeOwn, writeOwn } from "./place.ts";
import { type Server, startServer } from "./server.ts";
import { makeStage } from "./stage.ts";

const SEGMENT = /^[0-9A-F]{24}$/;

/** Makes the data and leaves its server running. When it fails, nothing is left of it. */
export async function materialise(grounds: Grounds, line: Line): Promise<Server> {
  const directory = join(grounds.place.lines, line.id);
  await makeOwn(directory, grounds.user);
  let server: Server | undefined;
  try {
    server = line.origin === undefined ? await startFirst(grounds, line) : await startFork(grounds, line, line.origin);
    line.own = line.origin === undefined ? await finishFirst(grounds, line, server) : await finishFork(grounds, line, line.origin);
    return server;
  } catch (error) {
    await server?.stop("at once");
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    throw error;
  }
}

async function startFirst(grounds: Grounds, line: Line): Promise<Server> {
  const data = dataOf(grounds.place, line.id);
  await copyData(grounds, grounds.place.template, data);
  await run(grounds, "cp", ["-R", join(grounds.place.template, "pg_wal"), data]);
  return await startServer(grounds, data);
}

async function finishFirst(grounds: Grounds, line: Line, server: Server): Promise<OwnData> {
  const base = await templateBase(grounds);
  for (const sql of line.sql) await runSql(grounds, server, "postgres", sql);
  const log = new LineLog(join(dataOf(grounds.place, line.id), "pg_wal"), 1, base.redo);
  return { log, beginsAt: await log.end(), bases: [base] };
}

async function startFork(grounds: Grounds, line: Line, origin: Origin): Promise<Server> {
  const data = dataOf(grounds.place, line.id);
  const { of, base } = baseFor(origin);
  await copyData(grounds, base.data, data);
  await makeStage(grounds, stageOf(grounds, line), of, base, origin);
  await writeOwn(join(data, "recovery.signal"), "", grounds.user);
  return await startServer(grounds, data, {
    // Relative to the data: no character of our directory's name means anything to a shell.
    restore_command: 'cp "../stage/%f" "%p"',
    recovery_target_timeline: String(timelineOf(origin)),
  });
}

async function finishFork(grounds: Grounds, line: Line, origin: Origin): Promise<OwnData> {
  const pgWal = join(dataOf(grounds.place, line.id), "pg_wal");
  const timeline = timelineOf(origin) + 1;
  await mustHaveReached(join(pgWal, historyName(timeline)), origin);
  await rm(stageOf(grounds, line), { recursive: true });
  // Recovery has ended with a checkpoint on the new timeline: what came before is in the data.
  for (const name of await readdir(pgWal)) {
    if (SEGMENT.test(name) && Number.parseInt(name.slice(0, 8), 16) !== timeline) await rm(join(pgWal, name));
  }
  return { log: new LineLog(pgWal, timeline, origin.position), beginsAt: origin.position, bases: [] };
}

const stageOf = (grounds: Grounds, line: Line): string => join(grounds.place.lines, line.id, "stage");

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
