// Undoing what a job declared and never struck out: one table, by kind of resource.

import { asLifeboatError } from "../core/errors.ts";
import type { Connection } from "../ports/connection.ts";
import type { Resource } from "../ports/resource.ts";
import { removeBackup, removeUnfinished } from "../repository/backups.ts";
import type { Journal } from "../repository/journal.ts";
import { idOfFolder } from "../repository/layout.ts";
import { removeMarks } from "../repository/marks.ts";
import { undoSpool } from "../repository/spool.ts";
import { adoptKept, endPromotion, endSnapshotRemoval, undoSnapshot } from "./undo-provider.ts";
import type { Source, Workshop } from "./workshop.ts";

/** Resources of the repository and of this machine. Everything else belongs to the source's provider. */
export const RESOURCE = {
  /** A backup being made: gone unless its manifest was committed. */
  backup: (source: string, folder: string): Resource => ({ kind: "backup", locator: { source, folder } }),
  /** A backup being removed: gone. */
  removal: (source: string, folder: string, id: string): Resource => ({ kind: "removal", locator: { source, folder, id } }),
  /** A database being filled under a name of its own: dropped. `server` is the label of where it is; addresses may hold passwords. */
  database: (source: string, server: string, name: string): Resource => ({ kind: "database", locator: { source, server, name } }),
  /** The role of a load: removed, and what it owns given away. Its name carries the job's id. */
  loader: (source: string, server: string, job: string): Resource => ({ kind: "loader", locator: { source, server, job } }),
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
  /**
   * The state that a restore in place sets aside, under that name; `former` is production's id before. Never removed by a
   * clean-up, but recorded, so that somebody can accept or refuse it.
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

type Undo = (workshop: Workshop, locator: Readonly<Record<string, string>>) => Promise<boolean>;

const UNDO: Readonly<Record<string, Undo>> = {
  async backup({ repository, clock }, { source = "", folder = "" }) {
    const removed = await removeUnfinished(repository, { source, folder }, clock.now());
    if (removed) await removeMarks(repository, source, idOfFolder(folder) ?? "");
    return true;
  },
  async removal({ repository, clock }, { source = "", folder = "", id = "" }) {
    await removeBackup(repository, { source, folder }, clock);
    await removeMarks(repository, source, id);
    return true;
  },
  async database(workshop, { source = "", server = "", name = "" }) {
    const found = workshop.sources.get(source);
    const connection = found && (await serverOf(workshop, found, server, name));
    if (found === undefined || connection === undefined) return false;
    await found.engine.dropDatabase(connection, name);
    return true;
  },
  async loader(workshop, { source = "", server = "", job = "" }) {
    const found = workshop.sources.get(source);
    const connection = found && (await serverOf(workshop, found, server, ""));
    if (found?.engine.dropLoader === undefined || connection === undefined) return false;
    await found.engine.dropLoader(connection, job);
    return true;
  },
  snapshot: undoSnapshot,
  "snapshot-removal": endSnapshotRemoval,
  "kept-branch": adoptKept,
  promotion: endPromotion,
  /** Kept on purpose: it holds the log for the next start of the archive; `archive --stop` drops it, and `status` watches it. */
  "replication-slot": async () => true,
  /** A cluster being recovered on this machine: its server ended, its directory removed, unless it was finished. */
  async recovery({ sources }, locator) {
    const found = [...sources.values()].find(({ engine }) => engine.physical !== undefined);
    return (await found?.engine.physical?.undo({ kind: "recovery", locator })) ?? false;
  },
  spool: (_workshop, locator) => undoSpool({ kind: "spool", locator }),
};

/** Undefined: neither this run was given that server's address, nor is it the source's. */
async function serverOf({ servers }: Workshop, found: Source, server: string, name: string): Promise<Connection | undefined> {
  const known = servers.get(server);
  if (known !== undefined) return known;
  const own = await found.provider.connection();
  // Through which server a name is reached is the engine's to say: its label need not be that of the source's own database.
  const through = found.engine.resolveTarget(own, name === "" ? own.url : name).server;
  return [own, through].find((one) => one.label === server);
}

export interface Left extends Resource {
  readonly why: string;
}

/** Undoes, newest first, everything the journal still lists, and strikes it out. Returns what could not be undone here. */
export async function undo(workshop: Workshop, journal: Journal): Promise<Left[]> {
  const left: Left[] = [];
  for (const resource of journal.open().reverse()) {
    const { kind, locator } = resource;
    const provider = workshop.sources.get(journal.record.source)?.provider;
    try {
      const done = UNDO[kind] ? await UNDO[kind](workshop, locator) : ((await provider?.undo(resource)) ?? false);
      if (done) await journal.strike(resource);
      else left.push({ kind, locator, why: "only the machine, or the address, that it was made with can reach it" });
    } catch (error) {
      left.push({ kind, locator, why: asLifeboatError(error).message });
    }
  }
  return left;
}
