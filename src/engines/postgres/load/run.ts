// Runs pg_restore over a plain archive and sorts what it says: progress, errors it continued after, and failures.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { startChild } from "../../../process/child.ts";
import type { TocEntry } from "../archive/contents.ts";
import { databaseArgument, type LanguageOf, programEnvironment, secretsOf } from "../connect/programs.ts";
import { partsOf } from "../connect/url.ts";

export interface RestoreRun {
  /** Path of pg_restore. */
  readonly program: string;
  readonly target: Connection;
  /** A session of the target. */
  readonly asked?: LanguageOf | undefined;
  readonly archiveFile: string;
  readonly arguments: readonly string[];
  readonly entries: readonly TocEntry[];
  readonly signal?: AbortSignal | undefined;
  /** Called with the dump id of each entry that is done. */
  readonly onDone: (dumpId: number) => void;
  /** The path on which names without a schema are found, as the server writes it. Default: none is found. */
  readonly path?: string | undefined;
  /** Whether an error of an entry says nothing against the backup. Called once for each error. Absent: every error is a problem. */
  readonly excuses?: ((entry: TocEntry, reason: string) => boolean) | undefined;
}

/** An error after which pg_restore continued. */
export interface Problem {
  /** For people, with the entry's kind and name. */
  readonly text: string;
  readonly entry?: TocEntry | undefined;
}

/**
 * Resolves with the errors after which pg_restore continued. Throws LOAD_FAILED when it gave up or the server went away,
 * DISK_FULL when the server ran out of space, or the abort's reason. pg_restore and its workers are gone by then.
 */
export async function runRestore(run: RestoreRun): Promise<Problem[]> {
  const { target } = run;
  const listener = new RestoreListener(run.entries, run.onDone, run.excuses);
  const child = await startChild(
    run.program,
    ["--no-password", "--verbose", `--dbname=${databaseArgument(partsOf(target).database)}`, ...run.arguments, run.archiveFile],
    {
      env: withSettings(programEnvironment(target, run.asked), run.path),
      secrets: secretsOf(target),
      signal: run.signal,
      stdout: "ignore",
      onStderr: (chunk) => listener.feed(chunk),
    },
  );
  try {
    const { status, signal } = await child.closed;
    run.signal?.throwIfAborted();
    listener.end();
    const { problems } = listener;
    refuseFatal(problems, listener.lost, target);
    if (status === 0 && signal === null) return problems;
    // pg_restore counts the errors it continued after and then ends with 1; without that count it gave up on the way.
    if (status === 1 && listener.ignoredErrors > 0) return listener.accountedFor();
    await child.success(
      (message) =>
        new LifeboatError(
          "LOAD_FAILED",
          `the backup could not be loaded into ${target.label}: ${problems.at(-1)?.text ?? lastLine(message)}`,
        ),
    );
    return problems;
  } finally {
    await child.kill();
  }
}

/** Indexes are built by sorting: with the server's usual 64 MB they spill to disk. Each worker builds one at a time. */
const SETTINGS = "-c maintenance_work_mem=256MB";

const withSettings = (environment: Record<string, string>, path: string | undefined): Record<string, string> => ({
  ...environment,
  // What the address says comes later, and wins; but not over the path.
  PGOPTIONS: [
    SETTINGS,
    environment.PGOPTIONS ?? "",
    ...(path === undefined ? [] : [`-c search_path=${path.replaceAll(/[\\\s]/g, "\\$&")}`]),
  ]
    .join(" ")
    .trim(),
});

/** pg_restore tells no SQLSTATE: only its words can be looked at, here at the edge. A write that meets the end of the disk is said to be short before one is said to fail. */
const DISK_FULL = /No space left on device|disk full|Disk quota exceeded|wrote only \d+ of \d+ bytes/i;
const LOST =
  /server closed the connection|terminating connection|connection to server|could not connect|connection not open|no connection to the server|the database system is/;

function refuseFatal(problems: readonly Problem[], lost: string | undefined, { label }: Connection): void {
  const full = problems.find(({ text }) => DISK_FULL.test(text))?.text;
  if (full !== undefined)
    throw new LifeboatError("DISK_FULL", `the server ran out of disk space while loading into ${label}: ${full}`, {
      hint: "free space on the server's disk, then restore again",
    });
  if (lost !== undefined)
    throw new LifeboatError("LOAD_FAILED", `the server went away while loading into ${label}: ${lost}`, {
      hint: "see the server's log for the reason, then restore again into an empty database",
    });
}

const lastLine = (text: string): string => text.split("\n").at(-1) ?? text;

/** A setting that a newer pg_restore pins at its start and an older server does not know: nothing is lost by it. */
const HARMLESS = /unrecognized configuration parameter "(transaction_timeout|idle_session_timeout)"/;
/** The same in a server's own language: counted only before the first entry, where no table of that name can be meant. */
const HARMLESS_NAME = /\b(transaction_timeout|idle_session_timeout)\b/;
const MIXED = /^(?:pg_restore: |error: )*could not execute query: (.*)$/;
const MAX_PROBLEMS = 200;
/** Of one line of pg_restore: what a server says may be as long as its rows. */
const MAX_LINE_CHARACTERS = 16 * 1024;

/** Reads pg_restore's verbose messages line by line. Lines of detail are dropped: they may hold rows. Of a long line the beginning counts. */
export class RestoreListener {
  readonly problems: Problem[] = [];
  /** The first problem that tells that the server went away. Code of the backup may fail to reach another server: that is an error of a statement. */
  lost: string | undefined;
  ignoredErrors = 0;
  #harmlessErrors = 0;
  #lastWords = "";
  readonly #byId: ReadonlyMap<number, TocEntry>;
  readonly #dataByName: ReadonlyMap<string, number>;
  readonly #onDone: (dumpId: number) => void;
  readonly #excuses: RestoreRun["excuses"];
  readonly #decoder = new TextDecoder();
  #rest = "";
  #place: TocEntry | undefined;
  #dataEntry: number | undefined;

  constructor(entries: readonly TocEntry[], onDone: (dumpId: number) => void, excuses?: RestoreRun["excuses"]) {
    this.#byId = new Map(entries.map((entry) => [entry.dumpId, entry]));
    const data = entries.filter(({ kind }) => kind === "TABLE DATA");
    this.#dataByName = new Map(data.map((entry) => [`${entry.schema}.${entry.name}`, entry.dumpId]));
    this.#onDone = onDone;
    this.#excuses = excuses;
  }

  feed(chunk: Uint8Array): void {
    const [first = "", ...others] = this.#decoder.decode(chunk, { stream: true }).split("\n");
    this.#rest += first.slice(0, MAX_LINE_CHARACTERS - this.#rest.length);
    for (const next of others) {
      this.#line(this.#rest);
      this.#rest = next.slice(0, MAX_LINE_CHARACTERS);
    }
  }

  end(): void {
    if (this.#rest !== "") this.#line(this.#rest);
    this.#finishSerial();
  }

  /** What went wrong, quoted, where pg_restore continued after errors: harmless ones are left out. */
  accountedFor(): Problem[] {
    if (this.problems.length > 0 || this.ignoredErrors <= this.#harmlessErrors) return this.problems;
    return [{ text: `pg_restore met ${this.ignoredErrors} errors, and said last: ${this.#lastWords}` }];
  }

  #line(line: string): void {
    // Workers write to one pipe in pieces: what a server said may follow the beginning of another worker's line, or lack its own.
    this.#lastWords = MIXED.exec(line)?.[1] ?? this.#lastWords;
    const message = /^pg_restore: (?:\[[^\]]*\] )?(.*)$/.exec(line)?.[1];
    if (message === undefined) return;
    const finished = /^finished item (\d+) /.exec(message);
    if (finished) this.#onDone(Number(finished[1]));
    const data = /^processing data for table "(.*)"$/.exec(message);
    if (data) this.#beginSerial(data[1] ?? "");
    const place = /^from TOC entry (\d+);/.exec(message);
    if (place) this.#place = this.#byId.get(Number(place[1]));
    const ignored = /errors ignored on restore: (\d+)/.exec(message);
    if (ignored) this.ignoredErrors = Number(ignored[1]);
    const error = /^error: (?:could not execute query: )?(.*)$/.exec(message)?.[1];
    const harmless = error !== undefined && (HARMLESS.test(error) || (this.#place === undefined && HARMLESS_NAME.test(error)));
    if (harmless) this.#harmlessErrors++;
    if (message.startsWith("error: ") || (message.startsWith("warning: ") && !ignored)) this.#lastWords = message;
    if (error === undefined || harmless) return;
    const words = error.replace(/^ERROR: +/, "");
    if (this.#place !== undefined && this.#excuses?.(this.#place, words)) {
      this.#harmlessErrors += 2; // at most: pg_restore counts the error of a worker, and the entry that it failed
      return;
    }
    if (this.problems.length >= MAX_PROBLEMS) return;
    const where = describe(this.#place);
    const problem = where === "" || words.startsWith("COPY failed") ? words : `${where}: ${words}`;
    if (!/\bERROR: /.test(error) && LOST.test(error)) this.lost ??= problem;
    this.problems.push({ text: problem, entry: this.#place });
  }

  /** Without parallel workers, a table is done when the next one begins. Workers name what they finished themselves. */
  #beginSerial(name: string): void {
    this.#finishSerial();
    this.#dataEntry = this.#dataByName.get(name);
  }

  #finishSerial(): void {
    if (this.#dataEntry !== undefined) this.#onDone(this.#dataEntry);
    this.#dataEntry = undefined;
  }
}

const describe = (entry: TocEntry | undefined): string =>
  entry === undefined ? "" : `${entry.kind.toLowerCase()} ${entry.schema === "" ? "" : `${entry.schema}.`}${entry.name}`;
