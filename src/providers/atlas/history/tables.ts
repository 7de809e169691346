// Chosen collections, brought back by Atlas itself into the running source.
import { LifeboatError } from "../../../core/errors.ts";
import { didYouMean } from "../../../core/suggest.ts";
import type { Work } from "../../../ports/connection.ts";
import type { TablesRequest } from "../../../ports/control.ts";
import { type Account, requireDedicated, requireReplicaSet, sourceCluster } from "../account.ts";
import type { AtlasCluster, AtlasCollectionRestore } from "../api/types.ts";
import { failedWork, waitFor } from "../waiting.ts";
import { type Origin, originOf, requestRestore, snapshotBefore } from "./target.ts";

/** What Atlas takes in one restore. */
const MOST_COLLECTIONS = 100;

export interface RestoredTables {
  readonly restored: readonly string[];
  readonly warnings: readonly string[];
}

export async function restoreTables(
  account: Account,
  { target, tables, replace, suffix, ...work }: TablesRequest,
): Promise<RestoredTables> {
  const { api, options } = account;
  const source = await sourceCluster(account, work);
  requireReplicaSet(source, "restore collections of it");
  requireDedicated(source, "restore collections");
  const origin = await originOf(account, source, target, work);
  const namespaces = await namespacesOf(account, source, origin, tables, work);
  if (namespaces.length > MOST_COLLECTIONS) {
    throw new LifeboatError(
      "PROVIDER_LIMIT",
      `Atlas restores at most ${MOST_COLLECTIONS} collections at once, and ${namespaces.length} are asked for`,
    );
  }
  const spec = { source: source.name, what: origin.what, target: source.name, namespaces, ...(replace ? {} : { suffix }) };
  const job = await requestRestore(account, source, origin, () => api.createCollectionRestore(spec, work), work);
  const end = await ended(account, source, job, work);
  const results = await api.restoredCollections(source.name, end.id, work);
  const nameOf = (namespace: string): string =>
    options.database !== undefined && namespace.startsWith(`${options.database}.`)
      ? namespace.slice(options.database.length + 1)
      : namespace;
  const restored = results.filter(({ state }) => DONE.has(state)).map((one) => nameOf(one.target ?? one.source));
  const failures = results.filter(({ state }) => !DONE.has(state)).map((one) => `${nameOf(one.source)}: ${WHY[one.state] ?? one.state}`);
  if (end.state !== "SUCCESSFUL" || restored.length === 0) {
    const why = [end.error, ...failures].filter((one) => one !== undefined).join("; ");
    throw failedWork(`Atlas's collection restore ${end.id} of ${source.name} ended as ${end.state}${why === "" ? "" : `: ${why}`}`, {
      collectionRestore: end.id,
    });
  }
  return { restored, warnings: [...origin.remarks, ...failures.map((failure) => `not restored: ${failure}`), ...indexWarnings(results)] };
}

const DONE: ReadonlySet<string> = new Set(["SUCCESSFUL", "INDEX_BUILD_FAILED"]);

const WHY: Readonly<Record<string, string>> = {
  NOT_FOUND: "it was not there at that time",
  UNSUPPORTED: "Atlas restores no views and no time series; load them from a backup",
  NOT_RESTORED: "Atlas did not restore it",
  ROLLBACK: "Atlas undid it",
  FAILED: "it failed",
};

const indexWarnings = (results: readonly { readonly state: string; readonly source: string }[]): string[] =>
  results.filter(({ state }) => state === "INDEX_BUILD_FAILED").map(({ source }) => `indexes of ${source} could not be built`);

const ENDS: ReadonlySet<string> = new Set(["SUCCESSFUL", "FAILED", "CANCELED"]);

async function ended(account: Account, { name }: AtlasCluster, job: AtlasCollectionRestore, work?: Work): Promise<AtlasCollectionRestore> {
  const end = await waitFor<AtlasCollectionRestore | undefined>(
    account,
    {
      what: `collections of ${name} are being restored`,
      limitMs: account.timeouts.restoreMs,
      ask: () => account.api.collectionRestore(name, job.id, work),
      done: (answer) => answer === undefined || ENDS.has(answer.state),
      how: (answer) => (answer?.total ? `${answer.restored ?? 0} of ${answer.total} documents` : undefined),
    },
    work,
  );
  if (end === undefined) throw failedWork(`Atlas's collection restore ${job.id} of ${name} is unknown to it`);
  return end;
}

/** Full names. Patterns are looked up in the snapshot that the restore begins with. TABLE_UNKNOWN, USAGE. */
async function namespacesOf(
  account: Account,
  source: AtlasCluster,
  origin: Origin,
  tables: readonly string[],
  work?: Work,
): Promise<string[]> {
  const { database } = account.options;
  const full = tables.map((table) => {
    if (database !== undefined) return `${database}.${table}`;
    if (/^[^.]+\../.test(table)) return table;
    throw new LifeboatError("USAGE", `"${table}" does not say which database it is of`, { hint: `write it as DATABASE.${table}` });
  });
  if (!full.some(isPattern)) return [...new Set(full)];
  const there = await collectionsAt(account, source, origin, work);
  const chosen = full.flatMap((one) => {
    const found = isPattern(one) ? there.filter((name) => matcherOf(one).test(name)) : [one];
    if (found.length > 0) return found;
    throw new LifeboatError("TABLE_UNKNOWN", `no collection of ${source.name} was called like ${one}${didYouMean(one, there)}`);
  });
  return [...new Set(chosen)];
}

const isPattern = (name: string): boolean => /[*?]/.test(name);

const matcherOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".")}$`,
    "s",
  );

async function collectionsAt({ api, options }: Account, source: AtlasCluster, { what, at }: Origin, work?: Work): Promise<string[]> {
  const id = "snapshotId" in what ? what.snapshotId : snapshotBefore(await api.snapshots(source, work), at)?.id;
  if (id === undefined)
    throw new LifeboatError("RECOVERY_TARGET_OUTSIDE_WINDOW", `there is no snapshot of ${source.name} before ${at.toISOString()}`);
  return await api.snapshotCollections(source, id, options.database === undefined ? undefined : [options.database], work);
}
