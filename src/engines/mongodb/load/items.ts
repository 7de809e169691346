// What of an archive is loaded, and where it goes.
import { LifeboatError } from "../../../core/errors.ts";
import type { Omission } from "../../../core/fingerprint.ts";
import type { Connection } from "../../../ports/connection.ts";
import { type Metadata, readMetadata } from "../archive/metadata.ts";
import { type ArchiveCollection, dataCollection, hasBucketCollections, isOplog, type Prelude } from "../archive/prelude.ts";
import { databaseOf, isServerDatabase } from "../connect/url.ts";
import {
  assertChosen,
  bucketsOf,
  chooserOf,
  isServerCollection,
  type Namespace,
  type SourceScope,
  sourceScope,
  tableName,
} from "../scope.ts";

export interface LoadItem {
  /** Its place in the prelude. */
  readonly index: number;
  readonly type: "collection" | "view" | "timeseries";
  readonly from: Namespace;
  readonly to: Namespace;
  /** Collection that its documents are inserted into: another one for a time series. */
  readonly into: string;
  /** The documents are a time series' buckets, and the server is told so. */
  readonly rawData: boolean;
  readonly metadata: Metadata;
}

export interface LoadPlan {
  readonly items: readonly LoadItem[];
  readonly notRestored: readonly Omission[];
}

export interface PlanOptions extends SourceScope {
  readonly tables?: readonly string[] | undefined;
  /** Chosen collections may come about when the log is replayed. */
  readonly logFollows?: boolean | undefined;
  readonly serverVersion: string;
}

/** TABLE_UNKNOWN for a pattern that chooses nothing, RESTORE_TARGET_INVALID when several databases would go into one, INTEGRITY. */
export function planLoad(prelude: Prelude, target: Connection, options: PlanOptions): LoadPlan {
  const all = prelude.collections.map((entry, index) => ({ entry, index })).filter(({ entry }) => !isOplog(entry));
  const users = all.filter(({ entry }) => !isServers(entry));
  const scope = sourceScope([...new Set(users.map(({ entry }) => entry.db))], options.several);
  if (options.tables !== undefined && options.logFollows !== true)
    assertChosen(
      options.tables,
      users.map(({ entry }) => tableName(scope, entry)),
      "the backup",
    );
  const chosen = chooserOf(scope, options.tables);
  const wanted = users.filter(({ entry }) => chosen(entry));
  const into = databaseOf(target);
  const databases = new Set(wanted.map(({ entry }) => entry.db));
  if (into !== undefined && databases.size > 1) {
    const names = [...databases].sort().join(", ");
    throw new LifeboatError(
      "RESTORE_TARGET_INVALID",
      `the backup is of several databases (${names}), which keep their names: ${into} cannot hold them`,
    );
  }
  const items = wanted.map(({ entry, index }) => itemOf(entry, index, into, prelude.serverVersion, options.serverVersion));
  const left = options.tables === undefined ? all.filter(({ entry }) => isServers(entry)) : [];
  return { items, notRestored: left.map(({ entry }) => omission(entry)) };
}

/** What is the server's own: users, roles, settings, profiles. Such an archive comes from the tools; ours hold none. */
const isServers = ({ db, collection }: ArchiveCollection): boolean =>
  isServerDatabase(db) || db.startsWith("$") || isServerCollection(collection);

const omission = ({ db, collection }: ArchiveCollection): Omission => ({
  kind: /users|roles/.test(collection) ? "users" : "server collection",
  object: `${db}.${collection}`,
  reason: "it belongs to the server of the source; users and roles are created by the operators of the new one",
});

function itemOf(entry: ArchiveCollection, index: number, database: string | undefined, was: string, is: string): LoadItem {
  const metadata = readMetadata(entry.metadata);
  const type = typeOf(entry, metadata);
  const to = { db: database ?? entry.db, collection: entry.collection };
  const rawData = type === "timeseries" && !hasBucketCollections(is);
  const buckets = type === "timeseries" && hasBucketCollections(is);
  if (type === "timeseries" && dataCollection(entry, was) === entry.collection && hasBucketCollections(is)) {
    throw new LifeboatError(
      "LOAD_FAILED",
      `the time series ${entry.db}.${entry.collection} comes from MongoDB ${was}, and ${is} keeps them in another form`,
      {
        hint: "restore into a server of the version that the backup was taken from, or newer",
      },
    );
  }
  return {
    index,
    type,
    from: { db: entry.db, collection: entry.collection },
    to,
    into: buckets ? bucketsOf(to.collection) : to.collection,
    rawData,
    metadata,
  };
}

/** Tools older than 100 say it by the options alone. */
function typeOf({ type }: ArchiveCollection, { options }: Metadata): LoadItem["type"] {
  if (type !== "") return type;
  const has = (name: string): boolean => (options instanceof Map ? options.has(name) : name in options);
  return has("viewOn") ? "view" : has("timeseries") ? "timeseries" : "collection";
}
