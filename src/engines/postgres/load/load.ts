// Loads a plain archive file into a database: decides what is restored, makes room, and has pg_restore do it in parallel.
import { randomBytes } from "node:crypto";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { LoadOptions, LoadResult } from "../../../ports/engine.ts";
import type { TocEntry } from "../archive/contents.ts";
import { walkAndPatch } from "../archive/patch-offsets.ts";
import type { WalkedArchive } from "../archive/walker.ts";
import { type Client, openClient } from "../connect/client.ts";
import { compareRoles } from "../roles/compare.ts";
import { type Roles, readRoles } from "../roles/description.ts";
import { type CreatedRoles, createBareRoles, finishRoles, leaveRoles } from "../roles/restore.ts";
import { findTools } from "../tools/find.ts";
import { readVersion } from "../tools/version.ts";
import { JOBS, type LoaderLoad, loadAsLoader, loadRowsAsLoader } from "./as-loader.ts";
import { type Keeper, setTablesAside } from "./before.ts";
import { choose, createLooseSchemas, holdsOnlyData, type Wanted } from "./choose.ts";
import { existing } from "./clear.ts";
import { isNotForCopy, restoreProperties, rolesOfProperties } from "./database-properties.ts";
import { foreignKeysOf } from "./foreign-keys.ts";
import { allOrNothing } from "./in-place.ts";
import { Prevented, setAside } from "./isolation.ts";
import { inKeyOrder } from "./key-order.ts";
import { makeLoader, ORPHANS_OWNER } from "./loader-role.ts";
import { decideOwnership, refuseMissingExtensions } from "./preflight.ts";
import { Reads } from "./reads.ts";
import { restoreList } from "./restore-list.ts";
import { rolesInRows } from "./role-values.ts";
import { rolesOf } from "./roles.ts";
import { fillTables, type RowsLoad, tablesOf } from "./rows-in.ts";
import { LARGE_OBJECTS } from "./stages.ts";
import { isSuperuser } from "./superuser.ts";
import { dropPublic, occupantsOf } from "./target.ts";

export interface LoadMeans {
  /** The configuration's `tools.postgres`. */
  readonly bin?: string | readonly string[] | undefined;
}

/**
 * `archiveFile` is a private copy: the positions of its data are written into it, which is what lets workers start at once.
 * Throws before anything is written when the archive is not whole (INTEGRITY), names tables it does not hold (TABLE_UNKNOWN), needs what the
 * server lacks (LOAD_FAILED), or would write into tables that exist (RESTORE_TARGET_NOT_EMPTY).
 */
export async function loadArchive(target: Connection, archiveFile: string, asked: LoadOptions, means: LoadMeans): Promise<LoadResult> {
  const { signal } = asked;
  const walked = await walkWhole(archiveFile, signal);
  const options: LoadOptions = holdsOnlyData(walked.contents.entries) ? { ...asked, dataOnly: true } : asked;
  const dumpMajor = readVersion(`x (PostgreSQL) ${walked.contents.header.dumpVersion}`)?.major ?? 0;
  const tools = await findTools("client", { configured: means.bin, minimumMajor: dumpMajor, signal });
  const client = await openClient(target, { signal });
  let joined: readonly string[] = [];
  try {
    const superuser = await isSuperuser(client);
    const apart = superuser && options.asSuperuser !== true;
    const { kept, leftOut, uncertain } = setAside(walked.contents.entries, options.isolation, apart);
    const wanted = await choose(client, kept, options);
    await refuseMissingExtensions(client, wanted.entries);
    if (options.dataOnly !== true) await createLooseSchemas(client, kept, wanted.entries);
    if (options.dataOnly === true && options.isolation !== undefined && (await existing(client, wanted.tables)).length === 0)
      throw new LifeboatError("RESTORE_TARGET_INVALID", "a data backup holds rows alone, and scratch has no tables to put them into", {
        hint: "drill a full backup, or restore a schema backup first and then this one with --data-only",
      });
    const keeper = options.loader ?? { jobId: randomBytes(8).toString("hex"), mark: "lifeboat" };
    const loader = apart ? await makeLoader(client, keeper, { rowsOnly: options.dataOnly === true, signal }) : undefined;
    const described = options.dataOnly === true || options.roles === undefined ? undefined : readRoles(options.roles);
    const bare =
      options.createRoles === undefined || options.dataOnly === true
        ? NO_ROLES
        : await createBareRoles(client, await rolesRequired(archiveFile, walked, { described, kept, wanted, options }), superuser);
    joined = bare.joined;
    const ownership = options.dataOnly
      ? { owners: false, without: new Set<number>(), notRestored: [] }
      : await decideOwnership(client, wanted.entries, options.owners);
    const reads = new Reads(walked.contents.entries);
    const some = wanted.entries.filter((entry) => !ownership.without.has(entry.dumpId));
    const entries = options.dataOnly === true ? reads.turns(some).flatMap((turn) => turn.entries) : reads.inOrder(some);
    const prevented = new Prevented(options.isolation);
    const live = await tablesBefore(client, wanted.tables, options);
    await makeRoom(client, wanted.tables, keeper, options);
    const tablespaces = await absentTablespaces(client, entries);
    const program = tools.programs.pg_restore.path;
    const list = { archiveFile, walked, reads, program, client, options, without: tablespaces, prevented };
    const run: LoaderLoad["run"] = (as, some, restore, signal) => restoreList(as, { ...list, ordered: some, restore, signal });
    const orphans = loader !== undefined && !ownership.owners && options.isolation === undefined && options.dataOnly !== true;
    const notRestored = [
      ...wanted.notRestored,
      ...tablespaces.map((object) => ({ kind: "tablespace", object, reason: NO_TABLESPACES })),
      ...bare.notRestored,
      ...ownership.notRestored.map((one) =>
        orphans && one.kind === "owner" ? { ...one, reason: `${one.reason}; ${KEPT_BY_ORPHANS}` } : one,
      ),
      ...leftOut,
    ];
    const { owners } = ownership;
    const load = { client, target, archiveFile, walked, entries, options, owners, madeRoles: bare.made, run };
    const bring = async (): Promise<Pick<LoadResult, "problems" | "reader" | "release">> => {
      if (loader !== undefined) return await (options.dataOnly === true ? loadRowsAsLoader : loadAsLoader)({ ...load, loader });
      if (options.dataOnly !== true)
        return { problems: await run(target, entries, [...(owners ? [] : ["--no-owner", "--no-privileges"]), JOBS]) };
      await fillDirectly({ ...load, superuser }, (some) => run(target, some, ["--data-only", "--single-transaction"]));
      return { problems: [] };
    };
    const loaded =
      live === undefined
        ? await bring()
        : await allOrNothing({ client, target, keeper, ...wanted, before: live, erased: options.erased }, bring);
    const whole = options.tables === undefined && options.dataOnly !== true;
    if (whole && options.chosen !== true) await dropPublic(client, options.definitions);
    const properties = whole ? await restoreProperties(client, walked.contents.entries) : [];
    const finished = await finishRoles(client, described, {
      made: bare.made,
      superusers: options.createRoles === "with superusers",
      passwords: options.isolation === undefined,
    });
    const compares = described !== undefined && (options.isolation === undefined || options.createRoles !== undefined);
    const compared = compares && {
      described,
      only: whole ? undefined : new Set(rolesOf(wanted.entries)),
      scratch:
        options.isolation === undefined ? undefined : { made: new Set(bare.made), leftOut: new Set(finished.map(({ object }) => object)) },
    };
    const { omissions } = prevented;
    return {
      ...loaded,
      ...(bare.joined.length > 0 && { release: () => leave(target, bare.joined, loaded.release) }),
      notRestored: [...notRestored, ...properties, ...(options.isolation === undefined ? finished : [])],
      prevented: omissions,
      leftOut: [
        ...leftOut,
        ...omissions,
        ...ownership.notRestored.filter(({ kind }) => kind === "policy" || kind === "user mapping"),
        // No session of the application runs in scratch.
        ...(options.isolation === undefined ? [] : properties.filter(isNotForCopy)),
      ],
      checks: compared === false ? [] : await compareRoles(client, compared.described, compared),
      uncertain,
      ...(loader !== undefined && { loadedAs: loader.name }),
    };
  } catch (error) {
    // This user keeps no membership that it was given for the load.
    await leaveRoles(client, joined).catch(() => []);
    throw error;
  } finally {
    await client.close();
  }
}

/** Rows only, with the connection's own rights: a superuser's fire no trigger; others fill tables in the order of the keys that triggers check. */
async function fillDirectly(
  load: Omit<RowsLoad, "keys" | "others"> & { readonly superuser: boolean },
  restore: (entries: readonly TocEntry[]) => Promise<unknown>,
): Promise<void> {
  const { client, walked, entries, superuser } = load;
  const largeObjects = entries.filter(({ kind }) => LARGE_OBJECTS.has(kind));
  const others = async (): Promise<void> => {
    if (largeObjects.length > 0) await restore(largeObjects);
  };
  if (!superuser) return await fillTables({ ...load, entries: inKeyOrder(entries, walked.contents.entries), others });
  const keys = await foreignKeysOf(client, tablesOf(entries));
  await client.query("set session_replication_role = 'replica'");
  await fillTables({ ...load, keys, others });
}

const NO_ROLES: CreatedRoles = { made: [], joined: [], notRestored: [] };

/** Roles that the load needs: those that are described, and those that the archive names, also in its rows. */
async function rolesRequired(
  archiveFile: string,
  walked: WalkedArchive,
  from: {
    readonly described: Roles | undefined;
    readonly kept: readonly TocEntry[];
    readonly wanted: Wanted;
    readonly options: LoadOptions;
  },
): Promise<string[]> {
  const { described, kept, wanted, options } = from;
  const named = rolesOf(wanted.entries);
  if (options.tables !== undefined) return named;
  const inRows = options.isolation === undefined ? [] : await rolesInRows(archiveFile, walked);
  const all = [...(described?.roles.map(({ name }) => name) ?? []), ...named, ...rolesOfProperties(kept), ...inRows];
  return [...new Set(all)].filter((name) => !name.startsWith("pg_"));
}

/** Over a connection of its own: the load's is closed by then. */
async function leave(target: Connection, joined: readonly string[], release: LoadResult["release"]): Promise<readonly string[]> {
  const problems = (await release?.()) ?? [];
  const client = await openClient(target);
  try {
    return [...problems, ...(await leaveRoles(client, joined))];
  } finally {
    await client.close();
  }
}

const KEPT_BY_ORPHANS = `everything belongs to the role ${ORPHANS_OWNER}: \`reassign owned by ${ORPHANS_OWNER} to ROLE\` gives it away`;

const NO_TABLESPACES = "the server has none of this name: all tables and indexes are in the database's own tablespace";

/** Tablespaces of the entries that the server lacks. */
async function absentTablespaces(client: Client, entries: readonly TocEntry[]): Promise<string[]> {
  const named = [...new Set(entries.map(({ tablespace }) => tablespace))].filter((name) => name !== "");
  if (named.length === 0) return [];
  const rows = await client.query<{ name: string }>(
    "select spcname::pg_catalog.text as name from pg_catalog.pg_tablespace where spcname = any ($1)",
    [named],
  );
  const there = new Set(rows.map(({ name }) => name));
  return named.filter((name) => !there.has(name));
}

async function walkWhole(archiveFile: string, signal: AbortSignal | undefined): Promise<WalkedArchive> {
  try {
    return await walkAndPatch(archiveFile, signal);
  } catch (error) {
    if (!(error instanceof LifeboatError) || error.code !== "DUMP_INCOMPLETE") throw error;
    throw new LifeboatError("INTEGRITY", error.message.replace("pg_dump's output", "the archive"), { cause: error });
  }
}

/** Names of the chosen tables that are there, in a database that is in use; undefined for any other load. */
async function tablesBefore(client: Client, tables: readonly TocEntry[], options: LoadOptions): Promise<string[] | undefined> {
  if (options.tables === undefined || options.dataOnly === true || options.isolation !== undefined) return undefined;
  return (await occupantsOf(client)).length === 0 ? undefined : await existing(client, tables);
}

async function makeRoom(client: Client, tables: readonly TocEntry[], keeper: Keeper, options: LoadOptions): Promise<void> {
  // Rows are replaced by the transaction that brings the new ones.
  if (options.replace !== true || options.dataOnly === true) return;
  if (options.tables !== undefined) return await setTablesAside(client, tables, keeper, options);
  // A whole database is replaced by another one that takes its name, never emptied: until then the old one is there.
  const occupants = await occupantsOf(client);
  if (occupants.length > 0) {
    throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${client.connection.label} holds ${occupants.join(", ")}`, {
      details: { occupants },
    });
  }
}
