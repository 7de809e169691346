// Scratch on this machine: a temporary `mongod` that only this user reaches.
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import { connectionFromUrl } from "../../../engines/mongodb/connect/url.ts";
import { order, startSupervisor } from "../../../engines/postgres/cluster/ask-supervisor.ts";
import { layoutOf, noteOf, readNote, writeNote } from "../../../engines/postgres/cluster/layout.ts";
import { assertNoteOf, endProcessesOf, undoCluster } from "../../../engines/postgres/cluster/undo.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../../ports/provider.ts";
import type { Maker, Resource, Undone } from "../../../ports/resource.ts";
import { commandOf, endProcess, isAlive, markProcess, type ProcessMark } from "../../../process/marks.ts";
import { makePassage, type ServerUser, serverUser } from "../../../process/server-user.ts";
import type { MongodbProviderOptions } from "../options.ts";
import { requireMongod } from "./find.ts";
import { type ServerOrder, SOCKET } from "./protocol.ts";

export const MONGOD_KIND = "mongod";
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
/** Users that packages of MongoDB make; else those of other servers. */
const USERS = ["mongodb", "mongod"];

/** TOOL_MISSING or TOOL_TOO_OLD before anything is made; SCRATCH_FAILED when it cannot be started. Nothing is left when it throws. */
export async function beginScratchServer(options: MongodbProviderOptions, request: ScratchRequest): Promise<Scratch> {
  const { maker, serverMajor, signal, declare } = request;
  const { jobId } = maker;
  const { path: program, version } = await requireMongod(options.tools, serverMajor, signal);
  const directory = join(parentOf(options), `lifeboat-${jobId}-${randomBytes(3).toString("hex")}`);
  const host = hostname();
  const resource: Resource = { kind: MONGOD_KIND, locator: { directory, host } };
  const user = await userFor(options.scratch?.user);
  await declare(resource);
  // Others may pass through it, to reach the server's own part of it, but not look.
  await makePassage(directory, user !== undefined).catch((cause: Error) => {
    throw new LifeboatError("SCRATCH_FAILED", `the directory ${directory} cannot be made: ${cause.message}`, { cause });
  });
  await writeNote(directory, noteOf({ directory, jobId, host, proof: proofOf(maker, directory), data: layoutOf(directory).data }));
  const supervisor = startSupervisor(new URL(import.meta.url.endsWith(".ts") ? "./supervisor.ts" : "./supervisor.js", import.meta.url));
  const closed = new Promise<void>((resolve) => supervisor.once("close", () => resolve()));
  const end = async (): Promise<void> => {
    supervisor.stdin?.destroy();
    // This timer keeps the event loop running: the supervisor itself does not, and we may have nothing else to wait for.
    const waiting = new AbortController();
    await Promise.race([closed, sleep(STOP_TIMEOUT_MS, undefined, { signal: waiting.signal }).catch(() => {})]);
    waiting.abort();
    // Nothing to do when the supervisor did its work; everything when it was killed.
    await undoScratchServer(resource.locator, maker);
  };
  try {
    const message: ServerOrder = { directory, program, ...user, startTimeoutMs: START_TIMEOUT_MS };
    const answer = await Promise.race([order(supervisor, message), whenAborted(signal)]);
    if (!answer.ready) throw new LifeboatError("SCRATCH_FAILED", `a temporary server cannot be started with ${program}: ${answer.message}`);
  } catch (error) {
    await end();
    throw error;
  }
  let ending: Promise<void> | undefined;
  return {
    connection: connectionTo(directory),
    description: `a temporary MongoDB ${version} server on this machine, standing alone: times may be better than on the real target`,
    resource,
    ownServer: true,
    end() {
      ending ??= end();
      return ending;
    },
  };
}

/** Whether the program is here and new enough: TOOL_MISSING or TOOL_TOO_OLD when not. */
export async function checkScratchProgram(options: MongodbProviderOptions, serverMajor: number, work: Work = {}): Promise<string> {
  const { version } = await requireMongod(options.tools, serverMajor, work.signal);
  return `a temporary MongoDB ${version} server can be started in ${parentOf(options)}`;
}

const proofOf = (maker: Maker, directory: string): string => maker.prove(MONGOD_KIND, directory);

/**
 * The clean-up after a crash. Touches only a directory whose note names this very job and holds its proof, and only processes that are
 * proven to be its own.
 */
export async function undoScratchServer({ directory = "", host = "" }: Resource["locator"], maker: Maker): Promise<Undone> {
  const locator = { directory, jobId: maker.jobId, host, proof: proofOf(maker, directory) };
  const note = host === hostname() ? await readNote(directory) : undefined;
  if (note !== undefined) {
    assertNoteOf(note, locator);
    const { data } = layoutOf(directory);
    await endProcessesOf(note, data);
    await endMongod(data);
  }
  return await undoCluster(locator);
}

/** A server whose supervisor was killed, where the system does not end it too. Its process id is in its lock file. */
async function endMongod(data: string): Promise<void> {
  const pid = Number((await readFile(join(data, "mongod.lock"), "utf8").catch(() => "")).trim());
  if (!Number.isInteger(pid) || pid <= 1) return;
  const mark = await markProcess(pid);
  if (mark === undefined) return;
  // Our server names its directory in its arguments: nothing else does. A process that is ending has none.
  const command = await commandOf(pid);
  if (command !== "" && !command.includes(`--dbpath ${data} `)) return;
  const ended = command === "" ? await isGoneSoon(mark) : await endProcess(mark, [["SIGKILL", ENDING_MS]]);
  if (!ended) {
    throw new LifeboatError("SCRATCH_FAILED", `the server ${pid} of ${data} cannot be ended`);
  }
}

const ENDING_MS = 5_000;

async function isGoneSoon(mark: ProcessMark): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < ENDING_MS; waitedMs += 20) {
    if (!(await isAlive(mark))) return true;
    await sleep(20);
  }
  return false;
}

const parentOf = (options: MongodbProviderOptions): string => resolve(options.scratch?.directory ?? tmpdir());

function connectionTo(directory: string): Connection {
  const socket = join(layoutOf(directory).socket, SOCKET);
  const { url } = connectionFromUrl(`mongodb://${encodeURIComponent(socket)}/?directConnection=true`);
  return { url, label: "a temporary server" };
}

async function userFor(name: string | undefined): Promise<ServerUser | undefined> {
  if (name !== undefined) return await serverUser(name);
  for (const candidate of USERS) {
    try {
      return await serverUser(candidate);
    } catch (error) {
      if (!isLifeboatError(error, "SCRATCH_FAILED")) throw error;
      // No such user here: the next one.
    }
  }
  return await serverUser();
}

function whenAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal?.aborted)
      reject(signal.reason); // meanwhile: an abort is told only once
    else signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
