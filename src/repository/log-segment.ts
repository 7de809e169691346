// Reads a planned segment while archiving continues. A partial segment is replaced by fuller ones and finally by the whole one. Each
// begins with the planned bytes, so they are read from the one that exists.
import { createHash } from "node:crypto";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { LogSegment } from "../core/log.ts";
import { stemOf } from "../core/log-chain.ts";
import type { OpenKey } from "../seal/keys.ts";
import { logName } from "./layout.ts";
import { readLogBytes, readSegmentRecord } from "./log.ts";
import { filledBytesOf } from "./log-partial.ts";
import { placeOf } from "./log-place.ts";
import type { Repository } from "./repository.ts";

/** How often a segment may be replaced while it is searched. */
const ATTEMPTS = 10;

/** Reads the plain bytes of the segment. They are proven only once this has ended. Throws OBJECT_MISSING, INTEGRITY. */
export async function* readSegment(
  repository: Repository,
  segment: LogSegment,
  key: OpenKey,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  if (segment.partial) yield* readPartial(repository, segment, key, signal);
  else yield* readLogBytes(repository.storage, placeOf(segment), segment, key, signal);
}

async function* readPartial(repository: Repository, planned: LogSegment, key: OpenKey, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  let found = planned;
  let begun = false;
  for (let attempt = 1; ; attempt++) {
    try {
      const chunks = readLogBytes(repository.storage, placeOf(found), found, key, signal);
      for await (const chunk of found === planned ? chunks : asPlanned(planned, chunks)) {
        begun = true;
        yield chunk;
      }
      return;
    } catch (error) {
      if (begun || !isLifeboatError(error, "OBJECT_MISSING") || attempt === ATTEMPTS) throw error;
      const fuller = await fullerThan(repository, planned, signal);
      if (fuller === undefined) throw error;
      found = fuller;
    }
  }
}

/** Finds the replacement of a partial segment. It was stored before the partial one was deleted, so one of them exists. */
async function fullerThan(repository: Repository, partial: LogSegment, signal?: AbortSignal): Promise<LogSegment | undefined> {
  for (let attempt = 1; ; attempt++) {
    const { found, seen } = await lookFuller(repository, partial, signal);
    // A listed segment may be replaced before it is read. Its replacement is then in the next listing.
    if (found !== undefined || attempt === ATTEMPTS || (!seen && attempt > 1)) return found;
  }
}

async function lookFuller(
  repository: Repository,
  partial: LogSegment,
  signal: AbortSignal | undefined,
): Promise<{ readonly found?: LogSegment | undefined; readonly seen: boolean }> {
  const { source, timeline, name } = partial;
  const prefix = logName(source, timeline, `${name}.partial-`, "json").slice(0, -".json".length);
  const stems: string[] = [];
  for await (const object of repository.storage.list(prefix, { signal })) {
    if (object.name.endsWith(".json")) stems.push(`${name}.partial-${object.name.slice(prefix.length, -".json".length)}`);
  }
  const fuller = stems.filter((stem) => /-[0-9a-f]{8}$/.test(stem) && stem > stemOf(partial)).reverse();
  for (const stem of [...fuller, name]) {
    const record = await readSegmentRecord(repository, { source, timeline, stem }, signal);
    if (record !== undefined) return { found: record, seen: true };
  }
  return { seen: fuller.length > 0 };
}

/** Gives the beginning of the bytes, as it was when the plan was made, and zeros behind. INTEGRITY at the end when it differs. */
async function* asPlanned(planned: LogSegment, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const filledBytes = filledBytesOf(planned);
  const hash = createHash("sha256");
  let at = 0;
  for await (const chunk of chunks) {
    const part = new Uint8Array(chunk.length);
    part.set(chunk.subarray(0, Math.max(0, filledBytes - at)));
    at += chunk.length;
    hash.update(part);
    yield part;
  }
  if (hash.digest("hex") === planned.plain.sha256) return;
  throw new LifeboatError("INTEGRITY", `the replacement of partial log segment ${planned.name} begins with other bytes`);
}
