// From an archive to a database with rows in it, compared with what was taken. A drill and a restore differ only in where it ends.
import { setTimeout } from "node:timers/promises";
import { LifeboatError } from "../../core/errors.ts";
import type { Fingerprint, Omission } from "../../core/fingerprint.ts";
import type { Consistency, Manifest, ManifestPart } from "../../core/manifest.ts";
import type { Check } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Isolation, LoadOptions, LoadResult, SettleOptions, TablesChange } from "../../ports/engine.ts";
import type { Probe } from "../../ports/probe.ts";
import { loaderMark } from "../../ports/resource.ts";
import { readPart } from "../../repository/backups.ts";
import { gatherFingerprint } from "../../repository/gather-fingerprint.ts";
import { partName } from "../../repository/layout.ts";
import { emptySpool, fillSpool, planSpool, type SpoolPlace } from "../../repository/spool.ts";
import { assertReadable, readWhole } from "../../repository/whole.ts";
import type { OpenKey } from "../../seal/keys.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import type { PointEntry } from "../points/points.ts";
import type { ReplacedTables } from "./replaced-tables.ts";

export interface LoadRequest {
  readonly tables?: readonly string[] | undefined;
  readonly dataOnly?: boolean | undefined;
  /** Rows alone, into tables that are made as they are there. */
  readonly definitionsOf?: Connection | undefined;
  readonly replace?: boolean | undefined;
  /** As for the engine. */
  readonly removes?: LoadOptions["removes"];
  /** Of tables in use: rows that are erased when they are loaded, for the engine to refuse what could not be. */
  readonly erased?: LoadOptions["erased"];
  /** Of tables in use: keeps what the load changes. */
  readonly replaced?: ReplacedTables | undefined;
  /** What the backup holds may run with the rights of the target's user, a superuser's too. */
  readonly asSuperuser?: boolean | undefined;
  /** Create the roles that the backup describes and the target lacks; superusers only if told. Default: none. */
  readonly roles?: LoadOptions["createRoles"];
  /** Log is replayed onto it: chosen tables may come about in that. */
  readonly logFollows?: boolean | undefined;
  /** False: they are asked later, when the data is that of the instant that was asked for. */
  readonly probes?: boolean | undefined;
  /** Makes the place to load into; runs after the bytes have been proven, so that a damaged backup touches nothing. */
  readonly begin: (archiveFile: string) => Promise<Place>;
}

export interface Place {
  readonly connection: Connection;
  /** The whole server is thrown away afterwards: roles that the backup names may be made on it. */
  readonly ownServer: boolean;
  /** Of scratch. Absent: the place is kept. */
  readonly isolation?: Isolation | undefined;
}

export interface Arrival {
  readonly connection: Connection;
  readonly checks: readonly Check[];
  readonly notRestored: readonly Omission[];
  /** The role that the backup's code ran as, where it was not the connection's own. */
  readonly loadedAs?: string | undefined;
  /** Without probes: changes are still suspended, and the caller that continues with the copy lets them happen. */
  release?(): Promise<Check[]>;
  /** The same, for the engine itself to continue with. */
  readonly held?: object | undefined;
}

const THAW_DAYS = 7;
const THAW_POLL_MS = 30_000;

export function partOf(manifest: Manifest, name: string): ManifestPart {
  const part = manifest.parts.find((one) => one.name === name);
  if (part === undefined) throw new LifeboatError("INTEGRITY", `backup ${manifest.id} has no part named ${name}`);
  if (name === "fingerprint") assertReadable("fingerprint", part.plain.sizeBytes);
  return part;
}

/** Where the bytes of a load come from: a backup that is stored, or a copy that was recovered just now. */
export interface Supply {
  /** The instant whose data it is, which probes count back from. */
  readonly at: Date;
  /** Writes the archive into the spool, every byte proven, and says what the data in it must equal. */
  fill(spool: SpoolPlace, job: Job): Promise<Filled>;
}

export interface Filled {
  readonly sizeBytes: number;
  readonly consistency: Consistency;
  readonly expected: Fingerprint;
  /** What was found on the way. */
  readonly checks: readonly Check[];
  /** The part `roles`, where there is one. */
  readonly roles?: Uint8Array | undefined;
  /** What the archive lacks of the copy that it was made from. */
  readonly notIncluded?: readonly Omission[] | undefined;
}

/** Has the spool filled, makes the place, loads, and compares what arrived with what was taken. */
export async function bringBack(
  context: Context,
  source: Source,
  supply: Supply,
  job: Job,
  watch: Watch,
  options: LoadRequest,
): Promise<Arrival> {
  const spool = planSpool(job.maker, context.spoolDirectory);
  await job.declare(spool.resource);
  try {
    const { sizeBytes, consistency, expected, checks: found, roles, notIncluded = [] } = await supply.fill(spool, job);
    const { connection, ownServer, isolation } = await job.step("create", () => options.begin(spool.path));
    const work = { signal: job.signal, progress: watch.progress };
    const { tables, logFollows, dataOnly, definitionsOf, replace, removes, replaced, erased, asSuperuser } = options;
    const loading = {
      tables,
      chosen: expected.scope.kind === "tables",
      definitions: expected.schema,
      logFollows,
      dataOnly,
      definitionsOf,
      replace,
      removes,
      erased,
      beforeChange: replaced && ((change: TablesChange) => replaced.before(connection, change)),
      asSuperuser,
      isolation,
      loader: { jobId: job.id, mark: loaderMark(job.maker) },
      roles,
      createRoles: ownServer ? ("ordinary" as const) : options.roles,
      ...work,
    };
    const loaded = await job.step("load", () => source.engine.load(connection, spool.path, loading), { totalBytes: sizeBytes });
    const checks = await job.step("verify", async () => {
      const scope = tables === undefined ? expected.scope : { kind: "tables" as const, tables: [...tables] };
      const { reader, leftOut } = loaded;
      const actual = await source.engine.fingerprint(connection, scope, { ...work, reader, algorithm: expected.algorithm });
      await replaced?.after(connection, reader);
      const ignoreOwners = loaded.notRestored.some(({ kind }) => kind === "owner" || kind === "privileges");
      return [
        ...found,
        ...(isolation === undefined ? missing(loaded) : (loaded.prevented ?? [])).map(missed),
        ...(loaded.checks ?? []),
        ...doubted(loaded, [
          ...loaded.problems.map(problem),
          ...source.engine.compare(expected, actual, {
            tables,
            dataOnly,
            ignoreOwners,
            leftOut,
            logFollows,
            held: loaded.held,
          }),
        ]),
        ...(await oneInstant(source, consistency, connection, spool.path, { ...loading, held: loaded.held })),
        ...(options.probes === false ? [] : await source.engine.probe(reader ?? connection, probesOf(source, tables), supply.at, work)),
        ...(options.probes === false ? [] : await released(loaded)),
      ];
    });
    return {
      connection,
      checks,
      notRestored: [...notIncluded, ...loaded.notRestored],
      loadedAs: loaded.loadedAs,
      ...(options.probes === false ? { release: () => released(loaded), held: loaded.held } : {}),
    };
  } finally {
    await emptySpool(spool);
    await job.withdraw(spool.resource);
  }
}

/** Of chosen tables, only the probes about these: the others query what was not restored. */
function probesOf({ probes }: Source, tables: readonly string[] | undefined): readonly Probe[] {
  if (tables === undefined) return probes;
  const chosen = new Set(tables.map(bareName));
  return probes.filter((probe) => {
    if ("table" in probe) return chosen.has(bareName(probe.table));
    return "collection" in probe && chosen.has(bareName(probe.collection));
  });
}

const bareName = (name: string): string => name.replaceAll('"', "").replace(/^.*\./, "");

/** What was read while it changed is compared as it was read; then what changed is applied, or it cannot be had. */
async function oneInstant(
  source: Source,
  consistency: Consistency,
  connection: Connection,
  archiveFile: string,
  loading: SettleOptions,
): Promise<Check[]> {
  if (consistency === "snapshot") return [];
  if (consistency === "oplog" && source.engine.settle !== undefined) return [await source.engine.settle(connection, archiveFile, loading)];
  const message = "the server gave no snapshot: what changed while the backup was made may be in it in part";
  return [{ name: "one instant", kind: "data", outcome: "inconclusive", message }];
}

/** The bytes of a stored backup. */
export const storedSupply = (context: Context, entry: PointEntry, watch: Watch): Supply => ({
  at: new Date(entry.manifest.snapshotAt),
  async fill(spool, job) {
    const key = await context.openKey();
    await thaw(context, entry, job, watch);
    const { manifest } = entry;
    const data = partOf(manifest, "data");
    const { sizeBytes } = data.plain;
    const [expected, roles] = await job.step(
      "fetch",
      async () => {
        const bytes = readPart(context.repository.storage, entryPlace(entry), data, key, job.signal);
        await fillSpool(spool, advancing(bytes, watch), sizeBytes);
        return [await readFingerprint(context, entry, key, job.signal), await readRolesPart(context, entry, key, job.signal)] as const;
      },
      { totalBytes: sizeBytes },
    );
    return { sizeBytes, consistency: manifest.consistency ?? "snapshot", expected, roles, checks: [] };
  },
});

export const entryPlace = ({ source, folder }: PointEntry) => ({ source, folder });

/** The fingerprint that was taken with the backup. */
export async function readFingerprint(context: Context, entry: PointEntry, key: OpenKey, signal?: AbortSignal): Promise<Fingerprint> {
  const part = partOf(entry.manifest, "fingerprint");
  return gatherFingerprint(readPart(context.repository.storage, entryPlace(entry), part, key, signal));
}

/** The description of the roles that the backup needs. Undefined: it holds none, as backups of chosen tables and older ones. */
export async function readRolesPart(
  context: Context,
  entry: PointEntry,
  key: OpenKey,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const part = entry.manifest.parts.find(({ name }) => name === "roles");
  if (part === undefined) return undefined;
  const bytes = readPart(context.repository.storage, entryPlace(entry), part, key, signal);
  return await readWhole("description of roles", bytes, part.plain.sizeBytes);
}

/** After the last comparison: what the load has held may happen now. */
async function released(loaded: LoadResult): Promise<Check[]> {
  return ((await loaded.release?.()) ?? []).map(problem);
}

const problem = (message: string): Check => ({ name: "load", kind: "schema", outcome: "fail", message });

/** Where code of the backup may have called what scratch was not given, what could not be loaded says nothing against the backup. */
function doubted({ uncertain, problems }: LoadResult, checks: readonly Check[]): readonly Check[] {
  if (uncertain !== true || problems.length === 0) return checks;
  return checks.map((check) => (check.outcome === "fail" ? { ...check, outcome: "inconclusive" } : check));
}

/** What the application would miss of the database, also where the fingerprints are equal. */
function missing({ notRestored, leftOut = [] }: LoadResult): readonly Omission[] {
  const others = notRestored.filter((one) => MISSED.has(one.kind) && !leftOut.includes(one));
  return [...leftOut, ...others];
}

/** Privileges are left out with owners, for the same reason, which is told once. */
const MISSED: ReadonlySet<string> = new Set(["owner", "foreign key", "table attach", "index attach", "policy", "rule"]);

/** Who uses the database misses it. */
const missed = ({ kind, object, reason }: Omission): Check => ({
  name: kind === "owner" ? `owners and privileges of ${object}` : `${kind} ${object}`,
  kind: "schema",
  outcome: "inconclusive",
  message: `it was not restored: ${reason}`,
});

/** Archived classes are read only after a thaw; it may take hours, and the wait is shown. */
export async function thaw(context: Context, entry: PointEntry, job: Job, watch: Watch): Promise<void> {
  const { storage } = context.repository;
  const names = entry.manifest.parts.map((part) => partName(entry.source, entry.folder, part.name));
  const waiting = async (): Promise<boolean> => {
    const states = await Promise.all(names.map((name) => storage.thaw(name, THAW_DAYS, { signal: job.signal })));
    return states.includes("thawing");
  };
  if (storage.capabilities.archivedClasses.length === 0 || !(await waiting())) return;
  await job.step("thaw", async () => {
    watch.progress.note(
      `waiting until the storage has restored the backup from its archived class, for ${THAW_DAYS} days; hours are usual`,
    );
    do {
      await setTimeout(THAW_POLL_MS, undefined, { signal: job.signal });
    } while (await waiting());
  });
}

export async function* advancing(bytes: AsyncIterable<Uint8Array>, watch: Watch): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    watch.progress.advance(chunk.byteLength);
    yield chunk;
  }
}
