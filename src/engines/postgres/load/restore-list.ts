// Has pg_restore load chosen entries of an archive: in turns, where rows are read by the code of other tables, and what failed once more.
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import type { Connection } from "../../../ports/connection.ts";
import type { LoadOptions } from "../../../ports/engine.ts";
import type { TocEntry } from "../archive/contents.ts";
import type { WalkedArchive } from "../archive/walker.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import { JOBS } from "./as-loader.ts";
import { pathOf } from "./database-properties.ts";
import type { Prevented } from "./isolation.ts";
import type { Reads, Turn } from "./reads.ts";
import { watchRows } from "./rows-progress.ts";
import { type Problem, runRestore } from "./run.ts";

export interface RestoreList {
  readonly archiveFile: string;
  /** Arguments of pg_restore, and `JOBS`. */
  readonly restore: readonly string[];
  readonly ordered: readonly TocEntry[];
  readonly walked: WalkedArchive;
  readonly reads: Reads;
  readonly program: string;
  readonly client: Client;
  readonly options: LoadOptions;
  readonly prevented: Prevented;
  /** Tablespaces that the server lacks: pg_restore would continue after its error about each, and leave the table's rows out. */
  readonly without: readonly string[];
  /** Beside the load's own. */
  readonly signal?: AbortSignal | undefined;
}

/** What failed may have waited for something else that failed. */
const MOST_ROUNDS = 5;

/** Resolves with the errors that are left, for people. */
export async function restoreList(target: Connection, list: RestoreList): Promise<string[]> {
  const { ordered, options, prevented, restore } = list;
  const signals = [options.signal, list.signal].filter((signal) => signal !== undefined);
  // Beside the archive, which the caller keeps in a private directory that is cleaned up even after a crash.
  const directory = await mkdtemp(join(dirname(list.archiveFile), "restore-list-"));
  const rows = watchRows(list.client, ordered, list.walked, options.progress);
  const run = async ({ entries, parallel }: Turn, path?: string): Promise<Problem[]> => {
    const file = join(directory, "entries");
    await writeFile(file, entries.map((entry) => `${entry.dumpId};\n`).join(""), { mode: 0o600 });
    return await runRestore({
      program: list.program,
      target,
      // Another role is the loader, which has its language from its making.
      asked: target === list.client.connection ? list.client : undefined,
      archiveFile: list.archiveFile,
      arguments: [
        ...restore.flatMap((one) => (one !== JOBS ? [one] : parallel ? [`--jobs=${jobs()}`] : [])),
        ...[...(list.without.length > 0 ? ["--no-tablespaces"] : []), `--use-list=${file}`],
      ],
      entries,
      path,
      signal: signals.length > 0 ? AbortSignal.any(signals) : undefined,
      onDone: rows.done,
      excuses: (entry, reason) => prevented.excuses(entry, reason),
    });
  };
  try {
    const problems: Problem[] = [];
    for (const turn of list.reads.turns(ordered)) problems.push(...(await run(turn)));
    return (restore.includes("--single-transaction") ? problems : await repeat(list, problems, run)).map((one) => inWords(one, list.reads));
  } finally {
    await rows.end();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Loads what failed once more, when everything else is there and names without a schema are found. Gives the problems that are left. */
async function repeat(list: RestoreList, problems: readonly Problem[], run: (turn: Turn, path?: string) => Promise<Problem[]>) {
  let failed = byEntry(problems);
  const views = list.ordered.filter(({ kind }) => kind === "MATERIALIZED VIEW DATA");
  if (failed.size === 0 && !views.some((view) => list.prevented.has(view))) return problems;
  const path = pathFor(list, [...failed.keys(), ...views]);
  await findNamesByPath(list);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    // A view may have been filled from tables that were empty.
    const entries = list.ordered.filter((entry) => failed.has(entry) || views.includes(entry));
    list.prevented.forget(views);
    const still = byEntry(await run({ entries, parallel: false }, path));
    const before = failed;
    // What was left half done says now that it exists.
    failed = new Map([...still].map(([entry, now]) => [entry, entry.kind === "TABLE DATA" ? now : (before.get(entry) ?? now)]));
    if (failed.size === 0 || failed.size >= before.size) break;
  }
  return [...problems.filter((one) => !isOfEntry(one)), ...[...failed.values()].flat()];
}

const byEntry = (problems: readonly Problem[]): Map<TocEntry, readonly Problem[]> =>
  Map.groupBy(problems.filter(isOfEntry), (one) => one.entry);

/** Workers write to one pipe: an error may follow another entry's name. Rows that are there must not come a second time. */
function isOfEntry(problem: Problem): problem is Problem & { readonly entry: TocEntry } {
  const { entry, text } = problem;
  if (entry?.kind !== "TABLE DATA") return entry !== undefined;
  return !text.startsWith("COPY failed") || text.startsWith(`COPY failed for table "${entry.name}":`);
}

/** Of the database, then the schemas of the entries, and of the routines that they call. */
function pathFor({ walked, reads }: RestoreList, entries: readonly TocEntry[]): string {
  const own = [...entries, ...entries.flatMap((entry) => reads.routines(entry))].map(({ schema }) => schema).filter((one) => one !== "");
  const names = pathOf(walked.contents.entries).flatMap((name) => (name === "$user" ? own : [name]));
  return [...new Set([...names, ...own])].map(quote).concat("pg_temp").join(",");
}

const RESET = "RESET search_path;";

/** An archive empties the path of each session. In this private copy it leaves it as the session began. */
async function findNamesByPath({ archiveFile, walked }: RestoreList): Promise<void> {
  const entry = walked.contents.entries.find(({ kind }) => kind === "SEARCHPATH");
  if (entry === undefined) return;
  const file = await open(archiveFile, "r+");
  try {
    const head = Buffer.alloc(entry.offsetFieldAt);
    for (let at = 0; at < head.length; ) {
      const { bytesRead } = await file.read(head, at, head.length - at, at);
      if (bytesRead === 0) return;
      at += bytesRead;
    }
    const text = Buffer.from(entry.definition);
    const at = head.lastIndexOf(text);
    if (at >= 0 && text.length > RESET.length) await file.write(Buffer.from(RESET.padEnd(text.length)), 0, text.length, at);
  } finally {
    await file.close();
  }
}

/** Kinds whose code runs while they are loaded. */
const CALLING = new Set(["TABLE", "TABLE DATA", "INDEX", "CONSTRAINT", "CHECK CONSTRAINT", "MATERIALIZED VIEW DATA"]);
const NAMED = 3;

function inWords({ text, entry }: Problem, reads: Reads): string {
  if (entry === undefined || !CALLING.has(entry.kind)) return text;
  const names = reads.routines(entry).map(({ schema, name }) => `${schema}.${name}`);
  if (names.length === 0) return text;
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : "";
  return `${text} (it calls ${names.slice(0, NAMED).join(", ")}${more}: what a function reads must be in the backup, and its names found)`;
}

/** Workers of pg_restore: each keeps a core of the server busy, often of this machine; one more fills the gaps (measured: 3 % on two cores, two more none). */
const jobs = (): number => Math.min(8, Math.max(2, availableParallelism() + 1));
