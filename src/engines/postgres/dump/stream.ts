// The commit gate: a dump's bytes end only when pg_dump has closed with status 0 and the archive was walked to its end.
import { LifeboatError } from "../../../core/errors.ts";
import type { Child } from "../../../process/child.ts";
import { ArchiveWalker, type WalkedArchive } from "../archive/walker.ts";
import { dumpFailure } from "./failure.ts";

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
 * Gates the output of a running pg_dump. `failed` tells of a failure elsewhere that makes further bytes pointless.
 * Throws what `dumpFailure` makes of pg_dump's end, or DUMP_INCOMPLETE; in either case pg_dump is gone by then.
 */
export function gateDump(child: Child, label: string, failed: () => unknown): GatedDump {
  const walked = Promise.withResolvers<WalkedArchive>();
  // A dump that is not read to its end has no listener for this.
  walked.promise.catch(() => {});
  const blocks = passThroughGate(child, label, failed, walked.resolve);
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
  label: string,
  failed: () => unknown,
  onWalked: (walked: WalkedArchive) => void,
): AsyncGenerator<Uint8Array, undefined> {
  const walker = new ArchiveWalker();
  let withheld: Uint8Array | undefined;
  try {
    for await (const chunk of child.stdout) {
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
