// A restored copy: what a route reaches, in a scratch place that is removed when it was used. A drill proves it, a preview reads it, and a
// restore into a database or of chosen tables loads from it.
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Omission } from "../../core/fingerprint.ts";
import { dateOfMicros } from "../../core/micros.ts";
import { isDamaged } from "../../core/restore-point.ts";
import type { Check } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Scratch } from "../../ports/provider.ts";
import { loaderMark } from "../../ports/resource.ts";
import { fillSpool, type SpoolPlace } from "../../repository/spool.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { historyControl, inScratchBranch, removing } from "../points/look.ts";
import { pointsOf } from "../points/points.ts";
import { ownDatabaseIn, recoverCluster } from "./cluster.ts";
import { bringTo, type StoredCopy } from "./copy.ts";
import { type Erased, eraseAgain } from "./erase.ts";
import { advancing, bringBack, type Filled, type LoadRequest, type Place, type Supply, storedSupply } from "./load.ts";
import { prove } from "./prove.ts";
import { expectedOf, type ProviderTarget } from "./provider.ts";
import type { Replay } from "./replay.ts";
import type { Route } from "./resolve.ts";

export interface RestoredCopy {
  /** Of the source's own database in it. RESTORE_TARGET_INVALID: at that instant there was none. */
  connection(): Connection;
  /** What kind of place it is, for evidence. */
  readonly place: string;
  readonly checks: readonly Check[];
  /** The route as far as it was followed. */
  readonly reached: Route;
  readonly notRestored: readonly Omission[];
}

/**
 * Makes a restored copy for as long as `use` runs. With `proof`, it is read, compared and asked the probes first. Then the erasure ledger is
 * applied: its checks are among those of the copy.
 */
export function withRestoredCopy<T>(
  context: Context,
  source: Source,
  route: Route,
  job: Job,
  watch: Watch,
  proof: boolean,
  use: (copy: RestoredCopy & Erased) => Promise<T>,
): Promise<T> {
  return withUnerasedCopy(context, source, route, job, watch, proof, async (copy) => {
    const { checks, ...erased } = await eraseAgain(context, source, () => copy.connection(), job, watch);
    return use({ ...copy, ...erased, checks: [...copy.checks, ...checks] });
  });
}

/** The same as it was then: for what is loaded elsewhere, where the ledger is applied, and for questions that are answered with yes or no. */
export function withUnerasedCopy<T>(
  context: Context,
  source: Source,
  route: Route,
  job: Job,
  watch: Watch,
  proof: boolean,
  use: (copy: RestoredCopy) => Promise<T>,
): Promise<T> {
  if (route.kind === "provider") return fromProvider(context, source, route.target, job, watch, proof, use);
  if (route.kind === "cluster") return fromCluster(context, source, route.replay, job, watch, proof, use);
  return fromBackup(context, source, route.copy, job, watch, use);
}

type Use<T> = (copy: RestoredCopy) => Promise<T>;

/** A branch or cluster of the provider's must be reached at another address than the source: the two servers are copies of one another. */
export async function assertApart(source: Source, { label }: Connection, signal: AbortSignal): Promise<void> {
  const own = await source.provider.connection({ signal }).catch((error: unknown) => {
    if (isLifeboatError(error, "SOURCE_UNREACHABLE")) return undefined; // a source that is down is not what answers at that address
    throw error;
  });
  if (own?.label !== label) return;
  const { place } = historyControl(source);
  throw new LifeboatError(
    "SOURCE_WRITE_REFUSED",
    `the scratch ${place} of ${source.name} is reached at the source's own address, ${label}`,
  );
}

function fromProvider<T>(context: Context, source: Source, target: ProviderTarget, job: Job, watch: Watch, proof: boolean, use: Use<T>) {
  return inScratchBranch(context, source, job, target.history, watch, async ({ connection }): Promise<T> => {
    await assertApart(source, connection, job.signal);
    const proving = async (): Promise<readonly Check[]> => {
      const expected = target.expected ?? (await expectedOf(context, target, watch));
      return prove(source, connection, { expected, asOf: target.at }, job, watch);
    };
    const checks = proof ? await job.step("verify", proving) : [];
    return use({ connection: () => connection, place: connection.label, checks, reached: { kind: "provider", target }, notRestored: [] });
  });
}

/** A cluster on this machine. */
async function fromCluster<T>(context: Context, source: Source, replay: Replay, job: Job, watch: Watch, proof: boolean, use: Use<T>) {
  const at = { directory: scratchDirectory(context, job), temporary: true, read: proof };
  const { recovered, checks } = await recoverCluster(context, source, replay, at, job, watch);
  const remove = async (): Promise<void> => {
    await job.cleanUp(() => recovered.remove());
    await job.withdraw(recovered.resource);
  };
  const connection = await ownDatabaseIn(source, recovered, replay, job.signal);
  const place = `a temporary PostgreSQL server on this machine, ${recovered.isolation}; with fsync off: times may be better than on the real target`;
  return removing(remove, () => use({ connection, place, checks, reached: { kind: "cluster", replay }, notRestored: [] }));
}

/** A scratch database that the backup is loaded into, and compared with its fingerprint. */
async function fromBackup<T>(context: Context, source: Source, copy: StoredCopy, job: Job, watch: Watch, use: Use<T>): Promise<T> {
  return inScratch(source, copy, job, watch, async (begin, scratch) => {
    const definitions = await withDefinitions(context, source, copy, job, watch, begin);
    const arrival = await bringTo(context, source, copy, job, watch, definitions?.request ?? { begin });
    const { connection, notRestored, reached } = arrival;
    const checks = [...(definitions?.doubts ?? []), ...arrival.checks];
    const place = scratch()?.description ?? "scratch";
    return use({ connection: () => connection, place, checks, reached: { kind: "copy", copy: reached }, notRestored });
  });
}

/** Loads into a scratch place, which `begin` makes and which is removed when `use` has ended. */
export async function inScratch<T>(
  source: Source,
  copy: StoredCopy,
  job: Job,
  watch: Watch,
  use: (begin: LoadRequest["begin"], scratch: () => Scratch | undefined) => Promise<T>,
): Promise<T> {
  let scratch: Scratch | undefined;
  const remove = async (): Promise<void> => {
    const made = scratch;
    if (made === undefined) return;
    await job.cleanUp(() => made.end());
    await job.withdraw(made.resource);
  };
  return removing(remove, async () => {
    try {
      const begin = async (archiveFile: string): Promise<Place> => {
        scratch = await beginScratch(source, copy, job, watch);
        const { connection, ownServer, isolation } = scratch;
        // Encoding and order of text as at the source; a scratch database on another server comes as that server makes it.
        if (!ownServer) return { connection, ownServer, isolation };
        const options = { like: archiveFile, ownServer, signal: job.signal };
        return { connection: await source.engine.createDatabase(connection, "restored", options), ownServer, isolation };
      };
      return await use(begin, () => scratch);
    } catch (error) {
      throw (await scratch?.fault?.()) ?? error;
    }
  });
}

/** Rows alone are loaded into the definitions of the nearest backup before them that has any. Undefined: the backup has its own, or none has. */
async function withDefinitions(
  context: Context,
  source: Source,
  { entry }: StoredCopy,
  job: Job,
  watch: Watch,
  begin: LoadRequest["begin"],
): Promise<{ readonly request: LoadRequest; readonly doubts: readonly Check[] } | undefined> {
  if (entry.point.kind !== "data") return undefined;
  const found = (await pointsOf(context, source.name)).findLast(({ point }) => {
    const hasDefinitions = point.kind === "schema" || point.kind === "full";
    return hasDefinitions && !isDamaged(point) && point.time <= entry.point.time;
  });
  if (found === undefined) return undefined;
  let place: Place | undefined;
  const made = await bringBack(context, source, storedSupply(context, found, watch), job, watch, {
    probes: false,
    begin: async (archiveFile) => {
      place = await begin(archiveFile);
      return place;
    },
  });
  const checks = [...made.checks, ...((await made.release?.()) ?? [])];
  const { name, id } = found.point;
  // What these definitions lack is not known of the rows: it proves nothing against this backup, and no pass comes of it.
  const doubts = checks
    .filter(({ outcome }) => outcome !== "pass")
    .map((check) => ({ ...check, outcome: "inconclusive" as const, message: `in the definitions of ${name} (${id}): ${check.message}` }));
  // The next load makes the role anew.
  await source.engine.dropLoader?.(made.connection, job.id, { mark: loaderMark(job.maker), signal: job.signal });
  watch.progress.note(`the rows are loaded into the definitions of ${name} (${id})`);
  const request = { dataOnly: true, replace: true, begin: async () => ({ ...(place ?? (await begin(""))), connection: made.connection }) };
  return { request, doubts };
}

async function beginScratch(source: Source, { entry }: StoredCopy, job: Job, watch: Watch): Promise<Scratch> {
  const { provider } = source;
  const serverMajor = Number.parseInt(entry.manifest.server.version, 10);
  if (!provider.capabilities.scratch) {
    await provider.checkScratch(serverMajor, { signal: job.signal }); // it knows best what is missing
    throw new LifeboatError("CAPABILITY_MISSING", `${source.name} has no place for scratch`);
  }
  const declare = job.declare.bind(job);
  const scratch = await provider.beginScratch({ maker: job.maker, serverMajor, declare, signal: job.signal, progress: watch.progress });
  try {
    await refuseSource(source, scratch, job.signal);
  } catch (error) {
    await scratch.end();
    await job.withdraw(scratch.resource);
    throw error;
  }
  return scratch;
}

/**
 * Makes sure that scratch and source are two databases, also against what the provider says. A source that is down cannot be written to, and a
 * server that was made here for this job is not the source.
 */
async function refuseSource(source: Source, { connection, ownServer }: Scratch, signal: AbortSignal): Promise<void> {
  try {
    await source.engine.assertSeparate(await source.provider.connection({ signal }), connection, { signal });
  } catch (error) {
    const providerAway = ownServer && isLifeboatError(error) && error.code.startsWith("PROVIDER_");
    if (!providerAway && !isLifeboatError(error, "SOURCE_UNREACHABLE")) throw error;
    await source.engine.inspect(connection, { signal }); // it was the source that did not answer, not the scratch
  }
}

/** What a load takes from a copy that a route recovered for just that long. */
export const copySupply = (
  context: Context,
  source: Source,
  route: Exclude<Route, { kind: "copy" }>,
  tables: readonly string[] | undefined,
  watch: Watch,
): Supply => ({
  at: route.kind === "cluster" ? dateOfMicros(route.replay.at) : route.target.at,
  async fill(spool, job) {
    return withUnerasedCopy(context, source, route, job, watch, false, async ({ connection, checks }) => {
      const filled = await copyOut(source, connection(), tables, checks, spool, job, watch);
      const recorded = route.kind === "provider" ? await expectedOf(context, route.target, watch) : undefined;
      if (recorded === undefined) return filled;
      return { ...filled, checks: [...checks, ...source.engine.compare(recorded, filled.expected, { replayed: true, tables })] };
    });
  },
});

export const scratchDirectory = (context: Context, job: Job): string =>
  join(resolve(context.spoolDirectory ?? tmpdir()), `lifeboat-${job.id}-${randomBytes(3).toString("hex")}`);

/** Of our own dump a moment ago: a few hundred bytes per role. */
async function gather(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Bytes and fingerprint come from one snapshot of the copy, as those of a backup do. `tables`: rows of these alone. */
async function copyOut(
  source: Source,
  connection: Connection,
  tables: readonly string[] | undefined,
  checks: readonly Check[],
  spool: SpoolPlace,
  job: Job,
  watch: Watch,
): Promise<Filled> {
  const work = { signal: job.signal, progress: watch.progress };
  return job.step("copy", async () => {
    const dump = await source.engine.beginDump(connection, { kind: "full", rowsOf: tables, ...work });
    try {
      const fingerprinting = dump.fingerprint();
      fingerprinting.catch(() => undefined); // awaited below; an early failure must not count as unhandled
      const { sizeBytes } = dump.facts;
      let roles: Uint8Array | undefined;
      for (const { name, bytes } of dump.parts) {
        if (name === "data") await fillSpool(spool, advancing(bytes, watch), sizeBytes);
        else if (name === "roles") roles = await gather(bytes);
      }
      const consistency = dump.consistency ?? "snapshot";
      return { sizeBytes, consistency, expected: await fingerprinting, roles, checks, notIncluded: dump.notIncluded };
    } finally {
      await dump.end();
    }
  });
}
