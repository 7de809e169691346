// Scratch on this machine: a throw-away cluster with one empty database.
import { randomBytes } from "node:crypto";
import { hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Work } from "../../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../../ports/provider.ts";
import type { Resource } from "../../../ports/resource.ts";
import { beginCluster } from "../cluster/cluster.ts";
import { undoCluster } from "../cluster/undo.ts";
import { openClient } from "../connect/client.ts";
import { findTools } from "../tools/find.ts";
import type { ScratchSurroundings } from "./options.ts";

export const CLUSTER_KIND = "postgres-cluster";
const DATABASE = "scratch";

/** TOOL_MISSING or TOOL_TOO_OLD, naming what to install, before anything is made; SCRATCH_FAILED when it cannot be made. */
export async function beginScratchCluster(options: ScratchSurroundings, request: ScratchRequest): Promise<Scratch> {
  const { jobId, serverMajor, signal, declare } = request;
  const { directory: bin, major } = await findTools("server", { configured: options.tools, minimumMajor: serverMajor, signal });
  const parent = resolve(options.scratch?.directory ?? tmpdir());
  const directory = join(parent, `lifeboat-${jobId}-${randomBytes(3).toString("hex")}`);
  const resource: Resource = { kind: CLUSTER_KIND, locator: { directory, jobId, host: hostname() } };
  await declare(resource);
  const { settings, user } = options.scratch ?? {};
  const cluster = await beginCluster({ directory, bin, jobId, durable: false, settings, user, signal });
  try {
    const client = await openClient(cluster.connection("postgres"), { signal });
    try {
      await client.query(`create database ${DATABASE} template template0`);
    } finally {
      await client.close();
    }
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return {
    connection: cluster.connection(DATABASE),
    description: `a throw-away PostgreSQL ${major} cluster on this machine, with fsync off: times may be better than on the real target`,
    resource,
    ownServer: true,
    end: () => cluster.stop(),
  };
}

/** Whether the programs are here: TOOL_MISSING or TOOL_TOO_OLD when not. */
export async function checkScratchCluster(options: ScratchSurroundings, serverMajor: number, work: Work = {}): Promise<string> {
  const { major } = await findTools("server", { configured: options.tools, minimumMajor: serverMajor, signal: work.signal });
  return `a throw-away PostgreSQL ${major} cluster can be made in ${resolve(options.scratch?.directory ?? tmpdir())}`;
}

/** The clean-up after a crash. False when only another host can do it. */
export async function undoScratchCluster(locator: Resource["locator"]): Promise<boolean> {
  const { directory = "", jobId = "", host = "" } = locator;
  return await undoCluster({ directory, jobId, host });
}
