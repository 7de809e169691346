// The commit gate: a dump's bytes end only when pg_dump has closed with status 0 and the archive was walked to its end.
import { type ErrorCode, LifeboatError } from "../../../core/errors.ts";
import type { Child } from "../../../process/child.ts";
import { ArchiveWalker, type WalkedArchive } from "../archive/walker.ts";

export interface GatedDump {
  /** Resolves when the first bytes are there, which is after pg_dump took its locks; rejects when it ends before. */
  readonly begun: Promise<void>;
  /** May be iterated once. Leaving it early ends pg_dump. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** What the walk found; rejects when the dump fails. */
  readonly walked: Promise<WalkedArchive>;
  /** Lets go of what was not read; pg_dump must have been told to end, or have ended. Never throws. */
  end(): Promise<void>;
}

/**
 * Gates the output of a running pg_dump. `failed` tells of a failure elsewhere that makes further bytes pointless. `through`: the
 * output with some of its entries left out. Default: as it is.
 * Throws what `dumpFailure` makes of pg_dump's end, or DUMP_INCOMPLETE; in either case pg_dump is gone by then.
 */
export function gateDump(child: Child, label: string, failed: () => unknown, through = child.stdout): GatedDump {
  const walked = Promise.withResolvers<WalkedArchive>();
  // A dump that is not read to its end has no listener for this.
  walked.promise.catch(() => {});
  const blocks = passThroughGate(child, through, label, failed, walked.resolve);
  const first = blocks.next();
  first.catch(walked.reject);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      const { value, done } = await first;
      if (done !== true) yield value;
      yield* blocks;
    } catch (error) {
      walked.reject(error);
      throw error;
    } finally {
      walked.reject(new LifeboatError("CANCELLED", "the dump was not read to its end"));
      await blocks.return(undefined);
    }
  }
  const end = async (): Promise<void> => {
    walked.reject(new LifeboatError("CANCELLED", "the dump was ended before it was read"));
    // The reader of the bytes gets their error; here only the end matters.
    await Promise.allSettled([first, blocks.return(undefined)]);
  };
  return { begun: first.then(() => {}), bytes: bytes(), walked: walked.promise, end };
}

async function* passThroughGate(
  child: Child,
  through: AsyncIterable<Uint8Array>,
  label: string,
  failed: () => unknown,
  onWalked: (walked: WalkedArchive) => void,
): AsyncGenerator<Uint8Array, undefined> {
  const walker = new ArchiveWalker();
  let withheld: Uint8Array | undefined;
  try {
    for await (const chunk of through) {
      const error = failed();
      if (error !== undefined) throw error;
      walker.feed(chunk);
      if (withheld !== undefined) yield withheld;
      withheld = chunk;
    }
    // How the program ended comes first: bytes that are missing because it died are the consequence, not the cause.
    await child.success((message) => dumpFailure(message, label));
    const walked = walker.end();
    // The last bytes are withheld until all is judged, so that the storage cannot commit a dump that was not judged.
    if (withheld !== undefined) yield withheld;
    onWalked(walked);
    return undefined;
  } catch (error) {
    throw failed() ?? error; // a dump that was ended because of another failure: that one is the cause
  } finally {
    await child.kill();
  }
}

// What pg_dump's last words mean.

// pg_dump times its wait for locks by statement_timeout.
const MEANINGS: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/row-level security/, "SOURCE_PERMISSION", "row-level security would have hidden rows of"],
  [/permission denied|must be superuser|must be owner/, "SOURCE_PERMISSION", "permission is missing in"],
  [/lock timeout|statement timeout|could not obtain lock/, "SOURCE_CHANGED", "another session kept a table locked in"],
  [
    /cache lookup failed|could not open relation with OID|relation .* does not exist/,
    "SOURCE_CHANGED",
    "an object was dropped while the dump began in",
  ],
  [/server version mismatch/, "TOOL_TOO_OLD", "pg_dump is older than the server of"],
  [/password authentication failed|no password supplied/, "SOURCE_AUTH", "the server refused pg_dump's login to"],
  [/out of shared memory/, "DUMP_FAILED", "the server has no room for so many locks (raise max_locks_per_transaction) in"],
  [
    /server closed the connection|connection to server .* failed|terminating connection|could not connect|SSL connection has been closed/,
    "SOURCE_UNREACHABLE",
    "the server ended the connection of pg_dump to",
  ],
];

/** Returns the error for a pg_dump that failed; `message` is one sentence with the tool's own words. */
function dumpFailure(message: string, label: string): LifeboatError {
  const [, code, words] = MEANINGS.find(([pattern]) => pattern.test(message)) ?? [];
  if (code === undefined) return new LifeboatError("DUMP_FAILED", `the dump of ${label} broke off: ${message}`);
  return new LifeboatError(code, `${words} ${label}: ${message}`);
}
