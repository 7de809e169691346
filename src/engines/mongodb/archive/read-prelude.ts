// The collections of an archive, from as few of its bytes as name them.
import { LifeboatError } from "../../../core/errors.ts";
import type { Prelude } from "./prelude.ts";
import { ArchiveReader } from "./archive.ts";

/** Stops reading as soon as the prelude is whole. INTEGRITY when it is not. */
export async function readPrelude(bytes: AsyncIterable<Uint8Array>): Promise<Prelude> {
  const reader = new ArchiveReader();
  for await (const chunk of bytes) {
    reader.feed(chunk);
    if (reader.prelude !== undefined) return reader.prelude;
  }
  throw new LifeboatError("INTEGRITY", "the archive ends inside its list of collections");
}
