// Whole dumps through the engine, for tests: drained to a private file, with the fingerprint taken beside it.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Fingerprint } from "../../src/core/fingerprint.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { DumpInProgress, DumpOptions } from "../../src/ports/dump.ts";
import type { Engine } from "../../src/ports/engine.ts";

export interface DrainedDump {
  readonly file: string;
  readonly fingerprint: Fingerprint;
  readonly dump: DumpInProgress;
}

/** The file is gone after the test. */
export async function drainDump(
  t: TestContext,
  engine: Engine,
  source: Connection,
  options: DumpOptions = { kind: "full" },
): Promise<DrainedDump> {
  const directory = await privateDirectory(t);
  const dump = await engine.beginDump(source, options);
  try {
    const file = join(directory, "data");
    for (const { name, bytes } of dump.parts) await writeFile(name === "data" ? file : join(directory, name), bytes, { mode: 0o600 });
    return { file, fingerprint: await dump.fingerprint(), dump };
  } finally {
    await dump.end();
  }
}

export async function privateDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-dump-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Names and messages of checks that did not pass. */
export function differences(engine: Engine, expected: Fingerprint, actual: Fingerprint): string[] {
  return engine
    .compare(expected, actual)
    .filter((check) => check.outcome !== "pass")
    .map((check) => `${check.name}: ${check.message}`);
}
