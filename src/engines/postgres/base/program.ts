// Servers before 15 speak another BASE_BACKUP: there PostgreSQL's own pg_basebackup fetches the one archive, uncompressed, with the
// manifest inside. It writes a single tablespace to its output, so it serves clusters that have no other.
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { type Child, startChild } from "../../../process/child.ts";
import { type LanguageOf, programEnvironment, secretsOf } from "../connect/programs.ts";
import { findTools } from "../tools/find.ts";
import { baseFailure } from "./failure.ts";
import { readBackupManifest } from "./manifest.ts";
import type { BackupSource, Section, WalRange } from "./session.ts";
import { TarReader } from "./tar.ts";
import { TAR_BLOCK_BYTES } from "./tar-header.ts";

export interface ProgramOptions {
  readonly label: string;
  readonly checksums: string;
  readonly serverMajor: number;
  /** The configuration's `tools.postgres`. */
  readonly bin?: string | readonly string[] | undefined;
  readonly signal: AbortSignal;
  readonly asked: LanguageOf;
}

const OUTPUT_BUFFER_BYTES = 256 * 1024;
const MANIFEST = "backup_manifest";

/** TOOL_* when it is not there; what goes wrong later is thrown where the content is read. */
export async function startProgram(connection: Connection, options: ProgramOptions): Promise<BackupSource> {
  const { signal } = options;
  const { directory } = await findTools("client", { configured: options.bin, minimumMajor: options.serverMajor, signal });
  const program = join(directory, "pg_basebackup");
  await access(program, constants.X_OK).catch((cause) => {
    throw new LifeboatError("TOOL_MISSING", `pg_basebackup is not in ${directory}, beside pg_dump`, { cause });
  });
  const child = await startChild(program, programArguments(options), {
    env: programEnvironment(connection, options.asked),
    secrets: secretsOf(connection),
    signal,
    outputBufferBytes: OUTPUT_BUFFER_BYTES,
  });
  return new ProgramSource(child, connection);
}

function programArguments({ label, checksums }: ProgramOptions): string[] {
  return [
    ...["--format=tar", "--pgdata=-", "--wal-method=fetch", "--checkpoint=fast", "--no-password", "--no-sync"],
    ...[`--label=${label}`, `--manifest-checksums=${checksums}`],
  ];
}

class ProgramSource implements BackupSource {
  readonly #child: Child;
  readonly #connection: Connection;
  readonly #sections: Section[] = [{ kind: "archive", name: "base.tar", location: "" }, { kind: "manifest" }];
  readonly #manifest: Uint8Array[] = [];
  #present: Section | undefined;

  constructor(child: Child, connection: Connection) {
    this.#child = child;
    this.#connection = connection;
  }

  async section(): Promise<Section | undefined> {
    this.#present = this.#sections.shift();
    return this.#present;
  }

  async *content(): AsyncGenerator<Uint8Array, void> {
    if (this.#present?.kind === "manifest") {
      yield* this.#manifest;
      return;
    }
    const tar = new TarReader();
    let sizeBytes = 0;
    for await (const chunk of this.#child.stdout) {
      sizeBytes += chunk.length;
      for (const event of tar.feed(chunk)) {
        if (event.kind === "data" && event.entry.path === MANIFEST) this.#manifest.push(Uint8Array.from(event.bytes));
      }
      yield chunk;
    }
    // The archive ends only when the program did, well: bytes that are missing because it died are the consequence.
    await this.#child.success((message) => baseFailure(new Error(message), this.#connection) as Error);
    // Before version 15 the program forgets the filling behind the manifest, its last file: only zeros follow, so they may come last.
    const over = sizeBytes % TAR_BLOCK_BYTES;
    if (over > 0) yield new Uint8Array(TAR_BLOCK_BYTES - over);
  }

  async finish(): Promise<WalRange> {
    const range = readBackupManifest(Buffer.concat(this.#manifest)).walRanges.at(-1);
    if (range !== undefined) return range;
    throw new LifeboatError("INTEGRITY", "the server's manifest of the base backup names no range of WAL");
  }

  async close(): Promise<void> {
    await this.#child.kill();
  }
}
