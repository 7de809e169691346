// Gives a recovering server the log files it asks for. The server runs a tiny script per file (restore_command); the script
// takes a ready file, or asks by a file of its own and waits. Segments that come next are fetched ahead, so it seldom waits.

import { chownSync, createWriteStream, type FSWatcher, watch } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { shellQuoted } from "../../../core/shell.ts";
import type { ServerUser } from "../../../process/server-user.ts";
import { logFileKind } from "../log/names.ts";

export interface FeederOptions {
  /** Private; made here. */
  readonly directory: string;
  /** Who runs the script; undefined: we do. */
  readonly owner: ServerUser | undefined;
  /** Segments worth fetching ahead, in order, beginning with the first that will be asked for. */
  readonly expected: readonly string[];
  readonly segmentBytes: number;
  readonly fetch: (name: string, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array> | undefined>;
  readonly signal: AbortSignal;
  /** The server took a file, or asked for one. */
  readonly onActivity: (name: string) => void;
  /** A file could not be fetched: the server gets no more answers. */
  readonly onFailure: (error: unknown) => void;
}

export interface Feeder {
  /** For the server's `restore_command`. */
  readonly command: string;
  end(): Promise<void>;
}

const AHEAD_BYTES = 128 * 1024 * 1024;
const AT_ONCE = 3;
/** A file system that tells nothing of changes is looked at so often. */
const LOOK_MS = 200;

/** A status above 125 tells the server to give up; 1 says that there is no such file. */
const SCRIPT = `#!/bin/sh
# Arguments: name of a log file, path to put it at.
d=\${0%/*}
if [ ! -e "$d/ready/$1" ]; then
  : >"$d/ask/$1" || exit 200
  while [ ! -e "$d/ready/$1" ]; do
    if [ -e "$d/none/$1" ]; then rm -f "$d/none/$1"; exit 1; fi
    [ -d "$d/ask" ] || exit 200
    sleep 0.01
  done
fi
exec mv -f "$d/ready/$1" "$2"
`;

type State = "fetching" | "ready" | "none";

export async function openFeeder(options: FeederOptions): Promise<Feeder> {
  const { directory, owner, expected, onFailure } = options;
  const place = (...names: string[]): string => join(directory, ...names);
  const script = place("restore.sh");
  await mkdir(directory, { mode: 0o700 });
  await writeFile(script, SCRIPT, { mode: 0o500 });
  for (const name of ["ask", "ready", "none", "coming"]) await mkdir(place(name), { mode: 0o700 });
  if (owner)
    for (const path of [directory, script, ...["ask", "ready", "none"].map((name) => place(name))]) chownSync(path, owner.uid, owner.gid);

  const ahead = Math.max(2, Math.floor(AHEAD_BYTES / options.segmentBytes));
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const states = new Map<string, State>();
  const running = new Set<Promise<void>>();
  /** What was put where the server takes it from, and was there when last looked at. */
  const placed = new Set<string>();
  /** How far the server has come in the list of what is expected. */
  let next = 0;
  let failed = false;

  const fetchOne = async (name: string): Promise<void> => {
    const bytes = await options.fetch(name, signal);
    if (bytes === undefined) {
      states.set(name, "none");
      return;
    }
    const coming = place("coming", name);
    await pipeline(bytes, createWriteStream(coming, { flags: "wx", mode: 0o600, highWaterMark: 1024 * 1024 }), { signal });
    if (owner) chownSync(coming, owner.uid, owner.gid);
    states.set(name, "ready");
    await rm(place("ask", name), { force: true });
    await rename(coming, place("ready", name));
    placed.add(name);
  };
  const begin = (name: string): void => {
    states.set(name, "fetching");
    const work = fetchOne(name)
      .catch((error: unknown) => {
        if (failed || stop.signal.aborted) return;
        failed = true;
        onFailure(error);
      })
      .finally(() => {
        running.delete(work);
        look();
      });
    running.add(work);
  };

  /** Answers what is asked, notices what was taken, and fetches ahead. */
  const attend = async (): Promise<void> => {
    const before = [...placed]; // what is put there while we look may be missing from what we see
    const [asked, ready] = await Promise.all([readdir(place("ask")), readdir(place("ready"))]);
    const here = new Set(ready);
    for (const name of before) if (!here.has(name)) taken(name);
    for (const name of asked) {
      const state = states.get(name);
      options.onActivity(name);
      advance(name);
      if (state === undefined) {
        if (logFileKind(name) === undefined) states.set(name, "none");
        else begin(name);
      }
      if (states.get(name) === "none") {
        states.delete(name); // asked again, it is looked for again
        await rm(place("ask", name), { force: true });
        // Code in the data may have put a link there: it leads nowhere.
        await rm(place("none", name), { recursive: true, force: true });
        await writeFile(place("none", name), "", { flag: "wx" });
      }
    }
    for (const name of expected.slice(next, next + ahead)) {
      if (running.size >= AT_ONCE) break;
      if (!states.has(name)) begin(name);
    }
  };
  const taken = (name: string): void => {
    states.delete(name);
    placed.delete(name);
    options.onActivity(name);
    advance(name, 1);
  };
  const advance = (name: string, by = 0): void => {
    const at = expected.indexOf(name);
    if (at >= 0) next = Math.max(next, at + by);
  };

  let looking: Promise<void> | undefined;
  let again = false;
  const look = (): void => {
    again = true;
    looking ??= (async () => {
      while (again && !signal.aborted && !failed) {
        again = false;
        await attend();
      }
    })()
      .catch((error: unknown) => {
        failed = true;
        if (!signal.aborted) onFailure(error);
      })
      .finally(() => {
        looking = undefined;
      });
  };
  const watchers: FSWatcher[] = ["ask", "ready"].map((name) => watch(place(name), look));
  const timer = setInterval(look, LOOK_MS);
  look();
  return {
    // A % would be taken for one of the server's own marks.
    command: `/bin/sh ${shellQuoted(script).replaceAll("%", "%%")} %f %p`,
    async end() {
      clearInterval(timer);
      for (const watcher of watchers) watcher.close();
      stop.abort();
      await Promise.all([...running, looking]);
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
