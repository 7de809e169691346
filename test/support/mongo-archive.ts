// A dump of a MongoDB database as a file, for tests that load it.
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Fingerprint } from "../../src/core/fingerprint.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { Engine } from "../../src/ports/engine.ts";

export interface MongoArchive extends AsyncDisposable {
  readonly file: string;
  readonly fingerprint: Fingerprint;
}

export async function mongoArchive(engine: Engine, source: Connection): Promise<MongoArchive> {
  const folder = await mkdtemp(join(tmpdir(), "lifeboat-mongo-archive-"));
  const file = join(folder, "data.archive");
  const dump = await engine.beginDump(source, { kind: "full" });
  try {
    for (const part of dump.parts) await pipeline(part.bytes, createWriteStream(file));
    return { file, fingerprint: await dump.fingerprint(), [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
  } finally {
    await dump.end();
  }
}
