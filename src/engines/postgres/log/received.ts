// The directory that pg_receivewal writes into: the files there, in the order of the log, and how far a partial file is filled.
import { open, readdir, readFile, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { SegmentFacts } from "../../../core/log.ts";
import { parseLsn, segmentNameAt, type TimelineHistory } from "../../../core/lsn.ts";
import type { LogFile } from "../../../ports/log.ts";
import { logFileKind, parseSegmentName, segmentStart } from "./names.ts";
import { LONG_HEADER_BYTES, readSegmentHeader } from "./page.ts";
import { readSegment } from "./segments.ts";

export interface ReceivedFile {
  readonly name: string;
  readonly kind: LogFile["kind"];
  readonly timeline: number;
  /** The segment's name without `.partial`; a history file's own name. */
  readonly base: string;
  readonly path: string;
}

/** In log order: timelines one after another, each begun by its history file. Other files in the directory are passed over. */
export async function listReceived(directory: string): Promise<ReceivedFile[]> {
  const files: ReceivedFile[] = [];
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const segment = parseSegmentName(name);
    if (segment) {
      files.push({ name, kind: segment.partial ? "partial" : "segment", timeline: segment.timeline, base: segment.name, path });
    } else if (logFileKind(name) === "history") {
      files.push({ name, kind: "history", timeline: Number.parseInt(name.slice(0, 8), 16), base: name, path });
    }
  }
  // `0000000200000000…` sorts before `00000002.history`, so the kind is part of the key; a partial file comes after a whole one.
  const key = ({ timeline, kind, name }: ReceivedFile): string => `${String(timeline).padStart(10)} ${kind === "history" ? 0 : 1} ${name}`;
  return files.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** Of a segment's file; undefined when it is too young to say. */
export async function systemOf(file: ReceivedFile): Promise<string | undefined> {
  const handle = await open(file.path).catch(ifMissing);
  if (handle === undefined) return undefined;
  try {
    const head = Buffer.alloc(LONG_HEADER_BYTES);
    const { bytesRead } = await handle.read(head, 0, LONG_HEADER_BYTES, 0);
    return bytesRead < LONG_HEADER_BYTES ? undefined : readSegmentHeader(new Int32Array(new Uint8Array(head).buffer))?.systemIdentifier;
  } finally {
    await handle.close();
  }
}

/**
 * Tells pg_receivewal to continue with the next timeline, where it would ask for the old one from exactly its end: the server
 * answers that with the next timeline, and the program takes the answer for a failure, again and again. An empty partial file of the new
 * timeline is where it then begins. `history`: of the server's present timeline.
 */
export async function continueOnTimeline(
  directory: string,
  history: TimelineHistory,
  present: number,
  segmentBytes: number,
): Promise<void> {
  const last = (await listReceived(directory))
    .filter(({ kind }) => kind !== "history")
    .toSorted(byPlace)
    .at(-1);
  const segment = last && parseSegmentName(last.name);
  if (last === undefined || segment === undefined) return;
  const start = segmentStart(segment, segmentBytes) + BigInt(last.kind === "segment" ? segmentBytes : 0);
  let { timeline } = segment;
  for (const { timeline: left, switchedAt } of history)
    if (left === timeline && parseLsn(switchedAt) === start) timeline = next(history, left, present);
  if (timeline === segment.timeline) return;
  await writeFile(join(directory, `${segmentNameAt(timeline, start, segmentBytes)}.partial`), "", { flag: "wx", mode: 0o600 });
}

const next = (history: TimelineHistory, left: number, present: number): number => {
  const at = history.findIndex(({ timeline }) => timeline === left);
  return history[at + 1]?.timeline ?? present;
};

/** As pg_receivewal looks for where to begin: the highest segment, and of it the highest timeline. */
const byPlace = (a: ReceivedFile, b: ReceivedFile): number => {
  const key = ({ base, timeline, kind }: ReceivedFile): string =>
    `${base.slice(8)} ${String(timeline).padStart(10)} ${kind === "segment" ? 1 : 0}`;
  return key(a) < key(b) ? -1 : 1;
};

export interface JudgedPartial {
  readonly bytes: Uint8Array;
  readonly facts: SegmentFacts;
}

/** Undefined when nothing in it can be read yet, or when it has just become a whole one. */
export async function judgePartial(file: ReceivedFile): Promise<JudgedPartial | undefined> {
  const bytes = await readFile(file.path).catch(ifMissing);
  if (bytes === undefined) return undefined;
  try {
    return { bytes, facts: readSegment(file.name, bytes).facts };
  } catch (error) {
    // Not yet at its full size, or without its first page.
    if (isLifeboatError(error, "INTEGRITY")) return undefined;
    throw error;
  }
}

/** Changes with every write. */
export async function stampOf(file: ReceivedFile): Promise<string | undefined> {
  const facts = await stat(file.path, { bigint: true }).catch(ifMissing);
  return facts && `${facts.ino} ${facts.mtimeNs} ${facts.size}`;
}

export async function sizeOf(file: ReceivedFile): Promise<number | undefined> {
  return (await stat(file.path).catch(ifMissing))?.size;
}

export async function readReceived(file: ReceivedFile): Promise<Uint8Array> {
  return await readFile(file.path).catch((cause) => {
    throw new LifeboatError("STORAGE_FAILED", `the received log file ${file.path} cannot be read: ${cause.message}`, { cause });
  });
}

export async function forget(file: ReceivedFile): Promise<void> {
  await unlink(file.path).catch(ifMissing);
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}
