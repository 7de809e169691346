// Undoes what a job declared and did not withdraw: one table, by kind of resource.
//
// A journal says only where to look. Others can write to the storage, so it may be forged, or be an old one that was put back.
// So a journal counts when a trusted key signed it, and each resource is undone by the proof that it carries itself:
//
// | kind                                     | undone where                                                                              |
// |------------------------------------------|-------------------------------------------------------------------------------------------|
// | backup, removal, undo-set                | it is in the repository itself: the journal of any trusted key is enough                  |
// | database, scratch-database               | the name is the job's and the comment is its mark (PostgreSQL; none only if empty)        |
// |                                          | or the mark within it is the job's (MongoDB); neither is there once it is finished        |
// | kept-database                            | never: it is named, until `accept` drops it by its mark, or a user gives it back its name |
// | replacement                              | the record in the restored database carries the mark: undone, or carried on once          |
// |                                          | it changed anything                                                                       |
// | loader                                   | the role has the job's name, and its comment is the job's mark                            |
// | mongodb-scratch                          | the mark on the scratch server is the job's                                               |
// | postgres-cluster, mongod, recovery       | the note in the directory is ours and holds the job's proof; what it names is removed     |
// | spool                                    | the same                                                                                  |
// | neon-branch, atlas-cluster: scratch      | its name or tag holds the job's proof: nothing of that name ever stays                    |
// | neon-branch, atlas-cluster: restored     | its annotation or tag is the job's, and this machine knows that the job never ended       |
// | snapshot                                 | it is unrecorded, marked where it can be, and this machine knows the same                 |
// | promotion, kept-branch, snapshot-removal | half an act upon production or a point: this machine knows the same                       |
// | services                                 | always: they are started, as the configuration says                                       |
// | cut-over                                 | the same, and what is set there is one of the two values that the job proved              |
//
// "This machine knows" is its own memory of the jobs that began and ended here: no storage can claim that.
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Connection } from "../../ports/connection.ts";
import { loaderMark, type Maker, markOf, type Resource, type Undone } from "../../ports/resource.ts";
import { readManifest, removeBackup, removeUnfinished } from "../../repository/backups.ts";
import type { JobRecord, Journal } from "../../repository/journal.ts";
import { idOfFolder } from "../../repository/layout.ts";
import { readMarks, removeMarks } from "../../repository/marks.ts";
import { undoSpool } from "../../repository/spool.ts";
import { removeUnfinishedUndo } from "../../repository/undo-sets.ts";
import type { Context, Source } from "../context.ts";
import { undoCutOver } from "../cutover/back.ts";
import { placesOf } from "./holders.ts";
import { runHook } from "./hooks.ts";
import { adoptKept, endPromotion, endSnapshotRemoval, undoSnapshot } from "./undo-provider.ts";

/** Resources of the repository and of this machine. All others belong to the source's provider. */
export const RESOURCE = {
  /** A backup being made: gone unless its manifest was committed. */
  backup: (source: string, folder: string): Resource => ({ kind: "backup", locator: { source, folder } }),
  /** A backup being removed: gone. */
  removal: (source: string, folder: string, id: string): Resource => ({ kind: "removal", locator: { source, folder, id } }),
  /** An undo set, and the changes that it undoes: gone unless its record was written; then it is told how to undo them. */
  undoSet: (source: string, job: string): Resource => ({ kind: "undo-set", locator: { source, id: job } }),
  /** A database being filled under a name of its own: dropped. `server` is the label of where it is; addresses may hold passwords. */
  database: (source: string, server: string, name: string): Resource => ({ kind: "database", locator: { source, server, name } }),
  /** What a restore replaced, under the name that it is kept by: never dropped by a clean-up, only by `accept`. */
  keptDatabase: (source: string, server: string, name: string): Resource => ({ kind: "kept-database", locator: { source, server, name } }),
  /** A restored database on its way to its name, where that takes several acts: undone or ended, so that no half of it stays. */
  replacement: (
    source: string,
    server: string,
    names: { readonly fresh: string; readonly name: string; readonly keep: string },
  ): Resource => ({
    kind: "replacement",
    locator: { source, server, ...names },
  }),
  /** The role of a load: removed, and what it owns given away. Its name carries the job's id. */
  loader: (source: string, server: string): Resource => ({ kind: "loader", locator: { source, server } }),
  /** A point being made at the provider: gone unless its record was written. */
  snapshot: (source: string, name: string, form: string, notBefore: Date): Resource => ({
    kind: "snapshot",
    locator: { source, name, form, notBefore: notBefore.toISOString() },
  }),
  /** A point at the provider being removed: gone, with its record. */
  snapshotRemoval: (source: string, id: string, name: string, form: string): Resource => ({
    kind: "snapshot-removal",
    locator: { source, id, name, form },
  }),
  /** The services of a source, stopped for a swap: started. */
  services: (source: string): Resource => ({ kind: "services", locator: { source } }),
  /**
   * The state that a restore in place sets aside, under that name; `former` is production's id before. Never removed by a
   * clean-up, but recorded, so that it can be accepted or refused.
   */
  kept: (source: string, job: string, name: string, former: string): Resource => ({
    kind: "kept-branch",
    locator: { source, job, name, former },
  }),
  /** A branch on its way to production: ended once it has begun, for half of it leaves no production at all. */
  promotion: (source: string, job: string, branch: string, name: string, keepAs: string): Resource => ({
    kind: "promotion",
    locator: { source, job, branch, name, keepAs },
  }),
};

/** What a database that is being filled carries. */
export const databaseMark = (maker: Maker, server: string, name: string): string => markOf(maker, "database", server, name);

type Undo = (
  context: Context,
  locator: Readonly<Record<string, string>>,
  maker: Maker,
  /** Tells the user what an interrupted change of production has left. */
  say: (sentence: string) => void,
) => Promise<Undone>;

/** Kinds in the repository itself. */
const IN_REPOSITORY: Readonly<Record<string, Undo>> = {
  async backup({ repository, clock }, { source = "", folder = "" }) {
    const removed = await removeUnfinished(repository, { source, folder }, clock.now());
    if (removed) await removeMarks(repository, source, idOfFolder(folder) ?? "");
    return removed ? "removed" : "absent";
  },
  async "undo-set"(context, { source = "", id = "" }, _maker, say) {
    for (const place of await placesOf(context)) {
      const found = await removeUnfinishedUndo(place, source, id);
      if (found === "complete")
        say(`job ${id} may have changed ${source}, in whole or in part; next: \`lifeboat undo ${id} --yes ${source}\` takes that back`);
      if (found !== "absent") return found === "removed" ? "removed" : "absent";
    }
    return "absent";
  },
  async removal({ repository, clock }, { source = "", folder = "", id = "" }) {
    const { hold } = await readMarks(repository, source, id);
    // It is whole and was put on hold since: the removal had not begun, and must not begin now.
    if (hold !== undefined && (await readManifest(repository, { source, folder })) !== undefined) return "absent";
    await removeBackup(repository, { source, folder }, clock);
    await removeMarks(repository, source, id);
    return "removed";
  },
};

const OUTSIDE: Readonly<Record<string, Undo>> = {
  async database(context, { source = "", server = "", name = "" }, maker) {
    const found = context.sources.get(source);
    if (found?.engine.renamesDatabases && name !== `lifeboat_${maker.jobId}`)
      throw new LifeboatError("SCRATCH_FAILED", `the database ${name} is left as it is: its name is not one that job ${maker.jobId} gives`);
    const connection = found && (await serverOf(context, found, server, name));
    if (found === undefined || connection === undefined) return "elsewhere";
    return await found.engine.dropDatabase(connection, name, { mark: databaseMark(maker, server, name) });
  },
  async "kept-database"(context, { source = "", server = "", name = "" }, { jobId }) {
    const found = context.sources.get(source);
    const connection = found && (await serverOf(context, found, server, name));
    if (found === undefined || connection === undefined) return "elsewhere";
    const { exists } = await found.engine.stateOf(found.engine.resolveTarget(connection, name));
    if (!exists) return "absent";
    throw new LifeboatError("SCRATCH_FAILED", `the database ${name} is what the restore replaced, and it is kept`, {
      hint: `when the restored one is right, run \`lifeboat accept ${jobId} --yes ${source}\`, which drops it; else move it back`,
    });
  },
  async replacement(context, { source = "", server = "", fresh = "", name = "", keep = "" }, maker, say) {
    const found = context.sources.get(source);
    const connection = found && (await serverOf(context, found, server, fresh));
    if (found?.engine.endReplacement === undefined || connection === undefined) return "elsewhere";
    const keeping = { name: keep, mark: databaseMark(maker, server, keep) };
    try {
      const ended = await found.engine.endReplacement(connection, fresh, name, { keep: keeping });
      if (ended === undefined) return "absent";
      if (ended.outcome === "undone") say(`the database ${name} is as it was before the restore`);
      else say(`the database ${name} is what was restored${ended.kept ? `; what it held before is ${keep}` : ""}`);
      return ended.outcome === "undone" ? "removed" : "absent";
    } catch (error) {
      throw new LifeboatError(
        "SCRATCH_FAILED",
        `the database ${name} is being replaced, and may be half replaced: ${asLifeboatError(error).message}`,
        {
          hint: "run `lifeboat jobs recover`, which ends it",
        },
      );
    }
  },
  async loader(context, { source = "", server = "" }, maker) {
    const found = context.sources.get(source);
    const connection = found && (await serverOf(context, found, server, ""));
    if (found?.engine.dropLoader === undefined || connection === undefined) return "elsewhere";
    return await found.engine.dropLoader(connection, maker.jobId, { mark: loaderMark(maker) });
  },
  snapshot: undoSnapshot,
  "snapshot-removal": endSnapshotRemoval,
  "kept-branch": adoptKept,
  promotion: endPromotion,
  "cut-over": undoCutOver,
  async services(context, { source = "" }, _maker, say) {
    const found = context.sources.get(source);
    if (found?.hooks === undefined) return "elsewhere";
    await runHook(context, found, "start");
    say(`the services of ${source} were started again`);
    return "removed";
  },
  /** A cluster being recovered on this machine: its server ended, its directory removed, unless it was finished. */
  async recovery({ sources }, locator, maker) {
    const found = [...sources.values()].find(({ engine }) => engine.physical !== undefined);
    return (await found?.engine.physical?.undo({ kind: "recovery", locator }, maker)) ?? "elsewhere";
  },
  spool: (_context, locator, maker) => undoSpool({ kind: "spool", locator }, maker),
};

/** Undefined: this run was not given that server's address, and it is not the source's server. */
export async function serverOf({ servers }: Context, found: Source, server: string, name: string): Promise<Connection | undefined> {
  const known = servers.get(server);
  if (known !== undefined) return known;
  const own = await found.provider.connection();
  // The engine decides through which server a name is reached: its label may differ from that of the source's own database.
  const through = found.engine.resolveTarget(own, name === "" ? own.url : name).server;
  // A restore in place reaches its server by the whole address.
  const byAddress = found.engine.resolveTarget(undefined, own.url).server;
  return [own, through, byAddress].find((one) => one.label === server);
}

export interface Left extends Resource {
  readonly why: string;
}

export interface Undoing {
  readonly removed: readonly Resource[];
  /** Could not be undone here, or is not proven to be the job's. The next start reports it again. */
  readonly left: readonly Left[];
  /** The state of production, in sentences, where the job had begun to change it. */
  readonly says: readonly string[];
}

/** Undoes, newest first, what the journal of a job of this writer still lists, and withdraws what is gone. */
export async function undo(context: Context, journal: Journal, maker: Maker): Promise<Undoing> {
  const removed: Resource[] = [];
  const left: Left[] = [];
  const says: string[] = [];
  for (const { kind, locator } of journal.open().reverse()) {
    const resource = { kind, locator };
    try {
      const undone = await undoOne(context, journal.record, resource, maker, (sentence) => says.push(sentence));
      if (undone === "elsewhere") left.push({ ...resource, why: "only the machine, or the address, that it was made with can reach it" });
      else await journal.withdraw(resource);
      if (undone === "removed") removed.push(resource);
    } catch (error) {
      left.push({ ...resource, why: reasonOf(error) });
    }
  }
  return { removed, left, says };
}

/** Undoes, of a job of another trusted writer, what is in the repository itself. The journal is not written, so that it stays that writer's. */
export async function undoForeign(context: Context, journal: Journal): Promise<Undoing> {
  const removed: Resource[] = [];
  const left: Left[] = [];
  const none: Maker = { jobId: journal.record.id, prove: () => "", unended: false };
  for (const { kind, locator } of journal.open().reverse()) {
    const resource = { kind, locator };
    try {
      if (IN_REPOSITORY[kind] === undefined)
        left.push({ ...resource, why: "another writer made it: run `lifeboat jobs recover` with its key" });
      else if ((await IN_REPOSITORY[kind](context, locator, none, () => {})) === "removed") removed.push(resource);
    } catch (error) {
      left.push({ ...resource, why: reasonOf(error) });
    }
  }
  return { removed, left, says: [] };
}

async function undoOne(
  context: Context,
  { source, startedAt }: Pick<JobRecord, "source" | "startedAt">,
  resource: Resource,
  maker: Maker,
  say: (sentence: string) => void,
): Promise<Undone> {
  const act = IN_REPOSITORY[resource.kind] ?? OUTSIDE[resource.kind];
  if (act !== undefined) return await act(context, { startedAt, ...resource.locator }, maker, say);
  return (await context.sources.get(source)?.provider.undo(resource, maker)) ?? "elsewhere";
}

function reasonOf(error: unknown): string {
  const { message, hint } = asLifeboatError(error);
  return hint ? `${message}; next: ${hint}` : message;
}

/** `database lifeboat_1n6x0g5q2abcde (db.example.net:5432)`: its kind, its name or path, and where it is. */
export function resourceInWords({ kind, locator }: Resource): string {
  const { name, database, directory, work, path, folder, journal, id, server, source } = locator;
  const what = name || database || directory || work || path || folder || journal || id;
  const where = server ?? source;
  return [kind, ...(what ? [what] : []), ...(where ? [`(${where})`] : [])].join(" ");
}
