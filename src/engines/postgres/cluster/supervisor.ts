// A process of its own that makes a cluster, keeps it, and ends and removes it when its standard input ends: on request, or
// because the starter died. Data that is to be kept stays, shut down in peace. It lives in a session of its own, so a terminal's Ctrl-C does not reach it.
// Killed itself, it takes the server along (Linux); what then stays on disk is found by the note (see undo.ts).
import { chown, mkdir, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { baseEnvironment } from "../../../process/environment.ts";
import { markProcess } from "../../../process/marks.ts";
import { runProgram } from "../../../process/run.ts";
import { makePassage } from "../../../process/server-user.ts";
import { changeNote, layoutOf, removeNoted, SUPERUSER } from "./layout.ts";
import type { SupervisorAnswer, SupervisorOrder } from "./protocol.ts";
import { endServer, type Server, startServer } from "./server.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});

// The reader of the answer may be gone; the end of the input reports that.
process.stdout.on("error", () => {});

const lines = createInterface({ input: process.stdin });
const parentGone = new AbortController();
lines.once("close", () => parentGone.abort());
const order = await new Promise<SupervisorOrder | undefined>((resolve) => {
  lines.once("line", (line) => resolve(JSON.parse(line) as SupervisorOrder));
  lines.once("close", () => resolve(undefined));
});
if (order) process.exitCode = await supervise(order);
process.stdin.destroy();

async function supervise(order: SupervisorOrder): Promise<number> {
  let server: Server | undefined;
  try {
    const self = await markProcess(process.pid);
    await changeNote(order.directory, { supervisor: self });
    await makePlace(order);
    if (order.create) await createCluster(order, order.create);
    server = await startServer(order, parentGone.signal, async (pid) => {
      if (order.cell) await changeNote(order.directory, { cell: await markProcess(pid) });
    });
    answer({ ready: true, pid: server.pid });
    const ended = await Promise.race([server.closed, aborted(parentGone.signal)]);
    return ended === undefined ? 0 : 1;
  } catch (error) {
    if (!parentGone.signal.aborted) answer({ ready: false, message: error instanceof Error ? error.message : String(error) });
    return 1;
  } finally {
    if (server) await endServer(server, order.keep);
    await remove(order);
  }
}

/** Socket, log and configuration files beside the data. Those of an earlier start are made anew. */
async function makePlace(order: SupervisorOrder): Promise<void> {
  const { socket, configuration, cell } = layoutOf(order.directory);
  if (order.keep) for (const path of [socket, configuration, cell]) await rm(path, { recursive: true, force: true });
  // Not recursive: something already in that place must not be taken over.
  await mkdir(socket, { mode: 0o700 });
  await own(order, socket);
  if (order.cell) await makePassage(cell, true);
  if (order.hba === undefined) return;
  await mkdir(configuration, { mode: 0o700 });
  for (const [name, content] of Object.entries({ "postgresql.conf": "", "pg_hba.conf": order.hba, "pg_ident.conf": "" })) {
    await writeFile(`${configuration}/${name}`, content, { mode: 0o600, flag: "wx" });
    await own(order, `${configuration}/${name}`);
  }
  await own(order, configuration);
}

async function createCluster(order: SupervisorOrder, create: NonNullable<SupervisorOrder["create"]>): Promise<void> {
  const { password } = layoutOf(order.directory);
  const { data } = order;
  await mkdir(data, { mode: 0o700 });
  await own(order, data);
  await writeFile(password, `${create.password}\n`, { mode: 0o600, flag: "wx" });
  await own(order, password);
  const args = [
    ...["--pgdata", data, "--username", SUPERUSER, "--pwfile", password, "--auth", "scram-sha-256"],
    ...["--encoding", create.encoding, "--locale", create.locale, "--lc-ctype", create.ctype, "--no-sync"],
  ];
  const made = await runProgram(`${order.bin}/initdb`, args, {
    ...(order.uid === undefined || order.gid === undefined ? {} : { uid: order.uid, gid: order.gid }),
    cwd: data,
    env: baseEnvironment(),
    timeoutMs: order.startTimeoutMs,
    signal: parentGone.signal,
    secrets: [create.password],
    parentDeathSignal: "KILL",
  });
  await rm(password);
  if (made.status !== 0) throw new Error(made.end);
}

/** Everything; or, where the data is kept, only what a server that does not run has no use for. */
async function remove(order: SupervisorOrder): Promise<void> {
  const { socket } = layoutOf(order.directory);
  await rm(socket, { recursive: true, force: true, maxRetries: 5 });
  if (order.keep) await changeNote(order.directory, { supervisor: undefined, cell: undefined });
  else await removeNoted(order.directory);
}

async function own(order: SupervisorOrder, path: string): Promise<void> {
  if (order.uid !== undefined && order.gid !== undefined) await chown(path, order.uid, order.gid);
}

function answer(message: SupervisorAnswer): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
