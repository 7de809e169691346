// Ninety simulated days: an example configuration wired as the program wires it, a clock that the test drives, and what an
// operator's cron lines would do each night. What must survive is worked out elsewhere, by calendar arithmetic.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import type { NeonSandbox } from "../../packages/sandbox/neon/sandbox.ts";
import { type Composed, compose, openStorage, trustIn } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load.ts";
import { makeDue } from "../../src/operations/backup/due.ts";
import type { Source, Watch } from "../../src/operations/context.ts";
import { pointsOf } from "../../src/operations/points/points.ts";
import { snapshotsOf } from "../../src/operations/points/snapshots.ts";
import { expire } from "../../src/operations/retention/expire.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import { createRepository } from "../../src/repository/open.ts";
import { generateWriter } from "../../src/repository/trust.ts";
import { generateIdentity } from "../../src/seal/keys.ts";
import { type DrivenClock, drivenClock, onClock } from "./repository.ts";

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;

export const EXAMPLES = join(import.meta.dirname, "../../examples");

export interface Practice {
  readonly context: Composed;
  readonly source: Source;
  readonly clock: DrivenClock;
  readonly watch: Watch;
  /** What a cron line at this hour does: makes what is due, then lets go of what has expired. Anything that fails fails the test. */
  night(): Promise<void>;
  /** Names of everything there is, at the provider and in the repository, in order of names. */
  names(): Promise<string[]>;
  /** As the day of the clock: `2026-09-01`. */
  today(): string;
}

/** Variables that the examples ask for; nothing is there yet. */
export async function exampleEnvironment(t: TestContext): Promise<Record<string, string>> {
  const directory = mkdtempSync(join(process.env.LIFEBOAT_TEST_TMP ?? tmpdir(), "lifeboat-example-"));
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  const { identity, recipient } = await generateIdentity();
  const identityFile = join(directory, "identity.txt");
  writeFileSync(identityFile, `${identity}\n`, { mode: 0o600 });
  const writerFile = join(directory, "writer.pem");
  writeFileSync(writerFile, generateWriter().pem, { mode: 0o600 });
  return {
    LIFEBOAT_WRITER_KEY_FILE: writerFile,
    LIFEBOAT_REPOSITORY: pathToFileURL(join(directory, "repository")).href,
    LIFEBOAT_RECIPIENT: recipient,
    LIFEBOAT_IDENTITY_FILE: identityFile,
    LIFEBOAT_STATE: join(directory, "state"),
    LIFEBOAT_SPOOL: tmpdir(),
    DATABASE_URL: "postgres://nobody@127.0.0.1:1/none",
    NEON_PROJECT_ID: "none",
    NEON_API_KEY: "none",
    MONGODB_URL: "mongodb://127.0.0.1:1/none",
    MONGODB_SCRATCH_URL: "mongodb://127.0.0.1:1",
    ATLAS_GROUP_ID: "none",
    ATLAS_CLUSTER: "none",
  };
}

/** The first source of an example, wired; closed with the test. */
export async function practise(
  t: TestContext,
  example: string,
  options: { readonly clock?: DrivenClock; readonly neon?: NeonSandbox; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Practice> {
  const { clock = drivenClock(), neon } = options;
  const env = {
    ...(await exampleEnvironment(t)),
    ...(neon && { NEON_PROJECT_ID: neon.projectId, NEON_API_KEY: neon.apiKey, NEON_API_HOST: neon.apiHost }),
    ...options.env,
  };
  const config = loadConfig({ file: join(EXAMPLES, example), env, cwd: EXAMPLES });
  const storage = await openStorage(config, { create: true });
  await createRepository(storage, config.repository.encryption.recipients, clock, trustIn(config));
  await storage.close();
  const composed = await compose(config, { clock, lifeboat: "test", env });
  t.after(() => composed.close());
  const context = { ...composed, repository: { ...composed.repository, storage: onClock(composed.repository.storage, clock) } };
  const [found] = context.sources.values();
  if (found === undefined) throw new Error(`${example} names no source`);
  const source = neon === undefined ? underClock(found, clock) : found;
  const watch = { signal: new AbortController().signal, progress: silentProgress };
  return {
    context,
    source,
    clock,
    watch,
    async night() {
      const { failed } = await makeDue(context, [source], {}, watch);
      for (const { error } of failed) throw error;
      const { refused } = await expire(context, source, watch);
      for (const { message } of refused) throw new Error(message);
    },
    async names() {
      const stored = (await pointsOf(context, source.name)).map(({ point }) => point.name);
      const held = (await snapshotsOf(context, source)).map(({ point }) => point.name);
      return [...stored, ...held].sort();
    },
    today: () => clock.now().toISOString().slice(0, 10),
  };
}

/** A real server stamps its snapshots with the machine's clock; here the driven one says what day it is. */
function underClock(source: Source, clock: DrivenClock): Source {
  const { engine } = source;
  return {
    ...source,
    engine: {
      ...engine,
      inspect: async (connection, work) => ({ ...(await engine.inspect(connection, work)), now: clock.now() }),
      async beginDump(connection, options) {
        const dump = await engine.beginDump(connection, options);
        return { ...dump, snapshotAt: clock.now() };
      },
    },
  };
}
