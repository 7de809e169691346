// The MongoDB engine: the one place where dumping, loading, fingerprints, probes and the oplog are put together behind the port.
import type { Connection, DatabaseFacts } from "../../ports/connection.ts";
import type { ContentsEntry, Engine } from "../../ports/engine.ts";
import { readPrelude } from "./archive/archive.ts";
import { isOplog } from "./archive/prelude.ts";
import { compareFingerprints } from "./compare/compare.ts";
import { openMongo, withMongo } from "./connect/connect.ts";
import { databaseFacts } from "./connect/facts.ts";
import { fingerprintSource, fingerprintSourceAt } from "./digest/digest.ts";
import { chosenOf } from "./dump/chosen.ts";
import { beginDump } from "./dump/dump.ts";
import { eraseDocuments, selectKeys } from "./erasure/erasure.ts";
import { documentHistory } from "./history/history.ts";
import { loadArchive } from "./load/load.ts";
import { beginComparison } from "./merge/compare.ts";
import { beginMerge, beginUndo } from "./merge/merge.ts";
import { oplogEngine } from "./oplog/oplog.ts";
import { settleArchive } from "./oplog/settle.ts";
import { ask } from "./probe/ask.ts";
import { runProbes } from "./probe/probe.ts";
import { references } from "./probe/references.ts";
import { scopeOf } from "./scope.ts";
import { assertNotSource } from "./target/identity.ts";
import { assertReplaceable, endReplacement } from "./target/replace.ts";
import { takeName } from "./target/take-name.ts";
import { assertFits, createDatabase, dropDatabase, resolveTarget, stateOf } from "./target/target.ts";

export interface MongoEngineOptions {
  /** Chosen databases of a source whose address names none; absent: all of a user's. */
  readonly databases?: readonly string[] | undefined;
  /**
   * The source is of several databases, whose collections are called `shop.users` even if there is only one. Absent: when databases were
   * chosen; of an archive, when it holds several.
   */
  readonly several?: boolean | undefined;
  /** How a dump is made one instant. Default: the best that the server offers. */
  readonly consistency?: "auto" | "snapshot" | "oplog" | "none" | undefined;
}

/** Who wrote an archive, as its header says. */
const TOOL_VERSION = "lifeboat";

export function openMongoEngine(options: MongoEngineOptions = {}): Engine {
  const { databases } = options;
  const several = options.several ?? (databases !== undefined && databases.length > 0 ? true : undefined);
  const source = { databases, several };
  const scopeFor = (connection: Connection, tables?: readonly string[]) => scopeOf(connection, source, tables);

  return {
    name: "mongodb",
    renamesDatabases: false,
    log: oplogEngine(source),
    history: documentHistory(source),

    rows: {
      beginComparison: (past, now, selection) => beginComparison(past, now, selection, source),
      beginMerge: (past, now, merging) => beginMerge(past, now, merging, source),
      beginUndo: (now, changes, options) => beginUndo(now, changes, options, source),
    },

    erasure: {
      select: (live, selection) => selectKeys(live, selection, source),
      erase: (target, keys, erasing) => eraseDocuments(target, keys, erasing, source),
    },

    async inspect(connection, work = {}) {
      return await withMongo(connection, { signal: work.signal, otherwise: "TOOL_FAILED" }, (session) =>
        databaseFacts(session, scopeFor(connection)),
      );
    },

    async chosen(connection, patterns, work = {}) {
      return await withMongo(connection, { signal: work.signal }, (session) => chosenOf(session, scopeFor(connection, patterns), patterns));
    },

    async beginDump(connection, dumpOptions) {
      const { signal } = dumpOptions;
      const scope = scopeFor(connection);
      const session = await openMongo(connection, { signal });
      let facts: DatabaseFacts;
      try {
        facts = await databaseFacts(session, scope);
      } catch (error) {
        await session.close();
        throw session.translate(error, { otherwise: "DUMP_FAILED" });
      }
      return await beginDump(session, dumpOptions, { facts, scope, consistency: options.consistency, toolVersion: TOOL_VERSION });
    },

    async fingerprint(connection, wanted, work = {}) {
      const scope = scopeFor(connection, wanted.tables);
      return await withMongo(connection, { signal: work.signal }, (session) =>
        fingerprintSource(session, wanted, { scope, signal: work.signal }),
      );
    },

    ask: (scratch, question, limits, work = {}) =>
      withMongo(scratch, { signal: work.signal }, (session) => ask(session, scopeFor(scratch), question, limits)),

    async fingerprintAt(connection, wanted, work = {}) {
      const scope = scopeFor(connection, wanted.tables);
      return await withMongo(connection, { signal: work.signal }, (session) =>
        fingerprintSourceAt(session, wanted, { scope, signal: work.signal }),
      );
    },

    async contents(archive): Promise<readonly ContentsEntry[]> {
      const { collections } = await readPrelude(archive);
      return collections
        .filter((entry) => !isOplog(entry))
        .map(({ db, collection, type }) => ({
          kind: type || "collection",
          schema: db,
          name: collection,
          owner: "",
          hasData: type !== "view",
        }));
    },

    async load(target, archiveFile, loadOptions) {
      return await loadArchive(target, archiveFile, loadOptions, source);
    },

    async settle(target, archiveFile, loadOptions) {
      return await settleArchive(target, archiveFile, loadOptions, source);
    },

    compare: compareFingerprints,

    references,

    async probe(connection, probes, asOf, work = {}) {
      return await withMongo(connection, { signal: work.signal }, (session) =>
        runProbes(session, scopeFor(connection), probes, asOf, work),
      );
    },

    async assertSeparate(from, target, work = {}) {
      await assertNotSource(from, target, source, work);
    },

    resolveTarget,

    async stateOf(target, work = {}) {
      return await stateOf(target, source, work);
    },

    async assertFits(target, archive, fitOptions) {
      if (archive === undefined) return;
      const collections = (await readPrelude(archive)).collections.filter((entry) => !isOplog(entry));
      assertFits(target, collections, { ...fitOptions, several });
    },

    async createDatabase(server, name, work = {}) {
      return await createDatabase(server, name, { ...work, several });
    },

    dropDatabase,

    async takeName(server, finished, name, options = {}) {
      return await takeName(server, finished, name, options);
    },

    async assertReplaceable(target, keep, work = {}) {
      await assertReplaceable(target, keep, work);
    },

    endReplacement,
  };
}
