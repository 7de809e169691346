// Scratch on this machine: a temporary cluster with one empty database.
import { randomBytes } from "node:crypto";
import { hostname, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Work } from "../../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../../ports/provider.ts";
import type { Maker, Resource, Undone } from "../../../ports/resource.ts";
import { serverUser } from "../../../process/server-user.ts";
import { beginCluster } from "../cluster/cluster.ts";
import { isolationInWords, requireCell } from "../cluster/isolation.ts";
import { undoCluster } from "../cluster/undo.ts";
import { openClient } from "../connect/client.ts";
import { findTools } from "../tools/find.ts";
import type { ScratchSurroundings } from "./options.ts";

export const CLUSTER_KIND = "postgres-cluster";
const DATABASE = "scratch";

/** TOOL_MISSING, TOOL_TOO_OLD or ISOLATION_MISSING, saying what to do, before anything is made; SCRATCH_FAILED when it cannot be made. */
export async function beginScratchCluster(options: ScratchSurroundings, request: ScratchRequest): Promise<Scratch> {
  const { maker, serverMajor, signal, declare } = request;
  const { jobId } = maker;
  const { directory: bin, major } = await findTools("server", { configured: options.tools, minimumMajor: serverMajor, signal });
  const isolation = options.scratch?.isolation ?? "required";
  await requireCell(isolation, await serverUser(options.scratch?.user));
  const parent = resolve(options.scratch?.directory ?? tmpdir());
  const directory = join(parent, `lifeboat-${jobId}-${randomBytes(3).toString("hex")}`);
  const resource: Resource = { kind: CLUSTER_KIND, locator: { directory, host: hostname() } };
  await declare(resource);
  const { settings, user } = options.scratch ?? {};
  const [foreign, proof] = [{ isolation }, proofOf(maker, directory)];
  const cluster = await beginCluster({ directory, bin, jobId, proof, durable: false, settings, user, foreign, signal });
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
    description: `a temporary PostgreSQL ${major} cluster on this machine, ${isolationInWords(isolation)}; with fsync off: times may be better than on the real target`,
    resource,
    ownServer: true,
    isolation: isolation === "none" ? "none" : "cell",
    fault: () => cluster.fault(),
    end: () => cluster.stop(),
  };
}

/** Whether the programs are here, and a cell can be made: TOOL_MISSING, TOOL_TOO_OLD or ISOLATION_MISSING when not. */
export async function checkScratchCluster(options: ScratchSurroundings, serverMajor: number, work: Work = {}): Promise<string> {
  const { major } = await findTools("server", { configured: options.tools, minimumMajor: serverMajor, signal: work.signal });
  const { directory, user, isolation = "required" } = options.scratch ?? {};
  await requireCell(isolation, await serverUser(user));
  return `a temporary PostgreSQL ${major} cluster can be made in ${resolve(directory ?? tmpdir())}, ${isolationInWords(isolation)}`;
}

const proofOf = (maker: Maker, directory: string): string => maker.prove(CLUSTER_KIND, directory);

/** The clean-up after a crash. */
export async function undoScratchCluster({ directory = "", host = "" }: Resource["locator"], maker: Maker): Promise<Undone> {
  return await undoCluster({ directory, jobId: maker.jobId, host, proof: proofOf(maker, directory) });
}
