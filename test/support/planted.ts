// What can be done with write access to the storage and nothing else: journals and leases are planted, and old ones put back.
import { randomBytes } from "node:crypto";
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ID_RANDOM_BYTES, makeId } from "../../src/core/ids.ts";
import type { Resource } from "../../src/ports/resource.ts";
import { encodeJson } from "../../src/repository/json-object.ts";
import { jobName } from "../../src/repository/layout.ts";
import { openRepository } from "../../src/repository/open.ts";
import { thisOwner } from "../../src/repository/owner.ts";
import { putSigned } from "../../src/repository/signed.ts";
import { parseWriter, trustOf } from "../../src/repository/trust.ts";
import { openLocalStorage } from "../../src/storage/local/local.ts";
import { editConfig, type World } from "./program.ts";

/** The key of the program's own machine, in PEM. */
export const keyOf = (world: World): string => readFileSync(join(world.directory, "writer.pem"), "utf8");

export const newJobId = (): string => makeId(new Date(), randomBytes(ID_RANDOM_BYTES));

/** Takes another writer's key into those that are trusted. */
export function trust(world: World, publicKey: string): void {
  editConfig(world, (text) => text.replace(/signing: \{ /, `signing: { trusted: [${JSON.stringify(publicKey)}], `));
}

export interface Planting {
  /** Key that signs the journal, in PEM; absent: no signature. */
  readonly key?: string | undefined;
  readonly id?: string;
  readonly verb?: string;
  readonly source?: string;
  /** What the lease says its journal is called. */
  readonly journal?: string;
}

const writing = (world: World) => openLocalStorage({ directory: world.repository });

/** A journal that runs and lists these, and the lease of a job that gave up. Gives the job's id. */
export async function plantJob(world: World, resources: readonly Resource[], planting: Planting = {}): Promise<string> {
  const { key, id = newJobId(), verb = "restore", source = "shop" } = planting;
  const storage = writing(world);
  try {
    const repository = await openRepository(storage, trustOf([], parseWriter(keyOf(world), "a test")));
    const at = new Date();
    const owner = { ...thisOwner(), startedTicks: "1" };
    const declared = resources.map((one) => ({ ...one, declaredAt: at.toISOString() }));
    const name = jobName(at, id);
    const words = { id, verb, source, startedAt: at.toISOString(), owner, lifeboat: "0" };
    const record = { format: 1, ...words, state: "running", steps: [], resources: declared };
    if (key === undefined) await storage.put(name, encodeJson({ ...record, type: "job", repository: repository.identity.id }));
    else await putSigned({ ...repository, trust: trustOf([], parseWriter(key, "a test")) }, "job", name, record);
    const times = { acquiredAt: at.toISOString(), expiresAt: at.toISOString(), abandonedAt: at.toISOString() };
    const lease = { job: id, journal: planting.journal ?? name, verb, source, owner, ...times };
    await storage.put(`leases/${verb}-${source}-${id}.json`, encodeJson(lease));
    return id;
  } finally {
    await storage.close();
  }
}

/** Deletes the planted lease, as a warned user does. */
export function clearLeases(world: World): void {
  rmSync(join(world.repository, "leases"), { recursive: true, force: true });
}

/** Leases and journals as they are now, with their signatures, to be put back later. */
export function keepJobs(world: World): { putBack(): void } {
  const kept = join(world.directory, `kept-${randomBytes(4).toString("hex")}`);
  for (const folder of ["jobs", "leases"]) cpSync(join(world.repository, folder), join(kept, folder), { recursive: true });
  return {
    putBack() {
      for (const folder of ["jobs", "leases"]) cpSync(join(kept, folder), join(world.repository, folder), { recursive: true, force: true });
    },
  };
}

/** What the machine knew of its jobs is lost, as on another machine with the same key. */
export function forget(world: World): void {
  const state = join(world.directory, "state");
  if (existsSync(state)) rmSync(state, { recursive: true });
}
