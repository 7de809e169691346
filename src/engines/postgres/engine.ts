// The PostgreSQL engine: the one place where dumping, loading, fingerprints and probes are put together behind the port.
import { createReadStream } from "node:fs";
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { Connection, DatabaseFacts, Work } from "../../ports/connection.ts";
import type { ContentsEntry, Engine } from "../../ports/engine.ts";
import type { PhysicalEngine } from "../../ports/physical.ts";
import { readContents } from "./archive/contents.ts";
import { beginBase } from "./base/begin.ts";
import type { Isolation } from "./cluster/isolation.ts";
import { openClient, ordinaryPath } from "./connect/client.ts";
import { assertNotSource } from "./connect/identity.ts";
import { directConnection, refusePooled } from "./connect/pooled.ts";
import { translateError } from "./connect/translate.ts";
import { beginDump } from "./dump/begin.ts";
import { databaseFacts } from "./dump/facts.ts";
import { findFollowers } from "./erasure/closure.ts";
import { eraseRows } from "./erasure/erase.ts";
import { selectKeys } from "./erasure/select.ts";
import { chosenOf } from "./features/chosen.ts";
import { findOmissions } from "./features/omissions.ts";
import { rightsOf } from "./features/rights.ts";
import { compareFingerprints } from "./fingerprint/compare.ts";
import { fingerprintDatabase } from "./fingerprint/fingerprint.ts";
import { hasBareName } from "./fingerprint/scope.ts";
import { sessionOf, sessionsOf } from "./fingerprint/session.ts";
import { rowInArchive } from "./history/archive.ts";
import { openRow } from "./history/database.ts";
import { RowWrites } from "./history/writes.ts";
import { codeIn } from "./load/code.ts";
import { assertFits } from "./load/fits.ts";
import { loadArchive } from "./load/load.ts";
import { dropLoader } from "./load/loader-role.ts";
import { takeName } from "./load/take-name.ts";
import { createDatabase, dropDatabase, resolveTarget, stateOf, withServer } from "./load/target.ts";
import { emitCommit } from "./log/emit-commit.ts";
import { openReceiver } from "./log/receiver.ts";
import { changesIn, compareLsn, firstCommitAfter, logFileKind, readHistory, readSegment, recordAt, segmentNames } from "./log/segments.ts";
import { dropSlot } from "./log/slot.ts";
import { logState } from "./log/state.ts";
import { beginComparison } from "./merge/compare.ts";
import { beginMerge, beginUndo } from "./merge/merge.ts";
import { ask } from "./probe/ask.ts";
import { watchLocks } from "./probe/locks.ts";
import { runProbes } from "./probe/probes.ts";
import { references } from "./probe/references.ts";
import { beginForward } from "./recovery/forward.ts";
import { undoPlace } from "./recovery/place.ts";
import { recover } from "./recovery/recover.ts";
import { missingRoles } from "./roles/compare.ts";
import { readRoles } from "./roles/description.ts";
import { findTools, type Tools } from "./tools/find.ts";

export interface PostgresEngineOptions {
  /** The configuration's `tools.postgres`: where PostgreSQL's programs are; absent: they are looked for. */
  readonly bin?: string | readonly string[] | undefined;
  /** The configuration's `scratch.isolation`: whether data is recovered only in a cell. Default: `required`. */
  readonly isolation?: Isolation | undefined;
  /** Full backups hold password hashes, unless the dump says otherwise. Default: false. */
  readonly rolePasswords?: boolean | undefined;
}

export function openPostgresEngine(options: PostgresEngineOptions = {}): Engine {
  const toolsFor = (serverMajor: number, signal?: AbortSignal): Promise<Tools<"client">> =>
    findTools("client", { configured: options.bin, minimumMajor: serverMajor, signal });

  const examine = async (connection: Connection, work: Work): Promise<{ facts: DatabaseFacts; tools: Tools<"client"> }> => {
    const client = await openClient(connection, { signal: work.signal });
    try {
      await refusePooled(client, { signal: work.signal });
      const tools = await toolsFor(Math.floor(client.serverVersionNumber / 10_000), work.signal);
      return { facts: await databaseFacts(client, `pg_dump ${tools.programs.pg_dump.version}`), tools };
    } finally {
      await client.close();
    }
  };

  return {
    name: "postgres",
    physical: physicalEngine(options),
    renamesDatabases: true,
    rows: { beginComparison, beginMerge, beginUndo },
    history: {
      inArchive: rowInArchive,
      open: (connection, row, work) => openRow(directConnection(connection), row, work),
      writes: () => new RowWrites(),
    },
    erasure: { select: selectKeys, followers: findFollowers, erase: eraseRows },

    async inspect(connection, work = {}) {
      return (await examine(directConnection(connection), work)).facts;
    },

    async rights(given, duties, { tables, ...work } = {}) {
      const client = await openClient(directConnection(given), { signal: work.signal });
      try {
        return await rightsOf(client, duties, tables);
      } finally {
        await client.close();
      }
    },

    async chosen(given, patterns, work = {}) {
      const client = await openClient(directConnection(given), { signal: work.signal });
      try {
        return await chosenOf(client, patterns);
      } finally {
        await client.close();
      }
    },

    async beginDump(given, dumpOptions) {
      const connection = directConnection(given);
      const { facts, tools } = await examine(connection, dumpOptions);
      return await beginDump(
        connection,
        { ...dumpOptions, rolePasswords: dumpOptions.rolePasswords ?? options.rolePasswords },
        {
          facts,
          program: tools.programs.pg_dump.path,
          open: sessionsOf(connection),
          ordinaryPath: () => ordinaryPath(connection, { signal: dumpOptions.signal }),
          fingerprint: fingerprintDatabase,
          omissions: (session, scope) => findOmissions(session, scope),
        },
      );
    },

    async fingerprint(given, scope: Fingerprint["scope"], { reader, ...work } = {}) {
      const connection = directConnection(given);
      const path = hasBareName(scope.tables) ? await ordinaryPath(connection, { signal: work.signal }) : [];
      return await fingerprintDatabase(sessionsOf(connection), scope, { ...work, path, openReader: reader && sessionsOf(reader) });
    },

    async load(target, archiveFile, loadOptions) {
      return await loadArchive(directConnection(target), archiveFile, loadOptions, options);
    },

    async contents(archive): Promise<readonly ContentsEntry[]> {
      const { entries } = await readContents(archive);
      return entries.map((entry) => {
        const { kind, schema, name, owner, hasData } = entry;
        const code = codeIn(entry);
        return { kind, schema, name, owner, hasData, ...(code.length > 0 && { code }) };
      });
    },

    rolesIn(bytes) {
      return readRoles(bytes).roles.map(({ name }) => ({ kind: "ROLE", schema: "", name, owner: "", hasData: false }));
    },

    async missingRoles(target, bytes, work = {}) {
      const described = readRoles(bytes);
      return await withServer(directConnection(target.server), [], work, (client) => missingRoles(client, described));
    },

    compare: compareFingerprints,

    async probe(given, probes, asOf, work = {}) {
      const client = await openClient(directConnection(given), { signal: work.signal });
      try {
        const path = await ordinaryPath(directConnection(given), { signal: work.signal });
        return await runProbes(sessionOf(client), probes, asOf, { ...work, path });
      } catch (error) {
        throw translateError(error, given);
      } finally {
        await client.close();
      }
    },

    ask: (scratch, question, limits, work = {}) => ask(directConnection(scratch), question, limits, work),

    async assertSeparate(source, target, work = {}) {
      await assertNotSource(directConnection(source), directConnection(target), { signal: work.signal });
    },

    resolveTarget,

    async stateOf(target, work = {}) {
      return await stateOf({ ...target, connection: directConnection(target.connection) }, work);
    },

    assertFits,

    async createDatabase(server, name, work = {}) {
      const { like, ...rest } = work;
      const statement = like === undefined ? undefined : await databaseStatement(like);
      return await createDatabase(directConnection(server), name, { ...rest, like: statement });
    },

    async dropDatabase(server, name, dropping) {
      return await dropDatabase(directConnection(server), name, dropping);
    },

    async dropLoader(server, jobId, dropping) {
      return await dropLoader(directConnection(server), jobId, { ...dropping, live: true });
    },

    references,

    watchLocks: (connection, work) => watchLocks(directConnection(connection), work),

    async takeName(server, finished, name, options = {}) {
      return await takeName(directConnection(server), finished, name, options);
    },
  };
}

/** How the archive would create its own database. */
async function databaseStatement(archiveFile: string): Promise<string | undefined> {
  const { entries } = await readContents(createReadStream(archiveFile));
  return entries.find((entry) => entry.kind === "DATABASE")?.definition;
}

// Point-in-time recovery of PostgreSQL: base backups, the log that follows them, and replay, put together behind the port.

function physicalEngine(
  options: { readonly bin?: string | readonly string[] | undefined; readonly isolation?: Isolation | undefined } = {},
): PhysicalEngine {
  const { bin, isolation } = options;
  return {
    logState,
    beginBase: (connection, work) => beginBase(connection, { ...work, bin }),
    openReceiver: (connection, work) => openReceiver(connection, work, { bin }),
    emitCommit,
    dropSlot,
    logFileKind,
    readSegment,
    firstCommitAfter,
    recordAt,
    changesIn,
    segmentNames,
    compareLsn,
    readHistory,
    beginForward: (order) => beginForward(order, { configured: bin, isolation }),
    recover: (order) => recover(order, { configured: bin, isolation }),
    undo: undoPlace,
  };
}
