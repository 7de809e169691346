// A source with its backups in a directory, wired as each run of `tick` wires it, on a clock that can be put ahead.
import assert from "node:assert/strict";
import { globSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Document } from "mongodb";
import { compose } from "../../../src/compose.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { AlertEvent } from "../../../src/core/alerts.ts";
import { archive } from "../../../src/operations/archive/archive.ts";
import { backup } from "../../../src/operations/backup/backup.ts";
import type { Context, Source, Watch } from "../../../src/operations/context.ts";
import { drill } from "../../../src/operations/verbs/drill.ts";
import { beat } from "../../../src/operations/watch/beat.ts";
import { silentProgress } from "../../../src/ports/progress.ts";
import { systemClock } from "../../../src/system-clock.ts";
import { beginMongoWorld, type MongoWorld } from "../mongo-world.ts";
import { beginWorld, type World } from "../program.ts";
import { onClock } from "../repository.ts";

const watch: Watch = { signal: new AbortController().signal, progress: silentProgress };

async function server(t: TestContext, clock: () => Date): Promise<MongoWorld> {
  const world = await beginMongoWorld({ clock });
  t.after(() => world[Symbol.asyncDispose]());
  return world;
}

/** Wires the program anew, as each run of it does, and runs an operation. */
export function wired(world: World, now: () => Date) {
  return async <T>(act: (context: Context & Watch, source: Source) => Promise<T>): Promise<T> => {
    const config = loadConfig({ file: world.configFile, env: world.env, cwd: world.directory });
    const context = await compose(config, { clock: { ...systemClock, now }, lifeboat: "test", env: world.env });
    try {
      const [source] = context.sources.values();
      assert.ok(source);
      const repository = { ...context.repository, storage: onClock(context.repository.storage, { now }) };
      return await act({ ...context, repository, ...watch }, source);
    } finally {
      await context.close();
    }
  };
}

/** The changes of one beat of the service. */
export const beatOn = (on: ReturnType<typeof wired>) => (): Promise<readonly AlertEvent[]> =>
  on(async (context, source) => (await beat(context, [source], context, [])).events);

export async function beginStored(t: TestContext, options: { readonly source?: string; readonly yaml?: string } = {}) {
  let aheadMs = 0;
  const now = (): Date => new Date(Date.now() + aheadMs);
  const [mongo, scratch] = [await server(t, now), await server(t, now)];
  const orders = mongo.db().collection<Document>("orders");
  await orders.insertMany(Array.from({ length: 2000 }, (_, n) => ({ n, note: "x".repeat(200) })));
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: mongo.url("shop"), scratch: scratch.url() } },
    source: `objectives: { rpo: 1h }${options.source ?? ""}`,
    yaml: `audit: { witnesses: { other: { url: "file://./witness" } } }\n${options.yaml ?? ""}`,
  });
  const path = (...names: readonly string[]): string => join(world.repository, ...names);
  const backups = path("sources/shop/backups");
  const on = wired(world, now);
  const kept = join(world.directory, "kept");
  const undo: (() => unknown)[] = [];
  return {
    ...{ world, mongo, orders, path, on },
    /** Keeps the bytes of files, so that they can be put back. */
    keep(...files: readonly string[]): void {
      for (const file of files) {
        const bytes = readFileSync(file);
        undo.push(() => writeFileSync(file, bytes));
      }
    },
    /** Moves a file or folder out of the repository. */
    moveAside(from: string): void {
      renameSync(from, kept);
      undo.push(() => renameSync(kept, from));
    },
    onPutBack: (act: () => unknown) => void undo.push(act),
    async putBack(): Promise<void> {
      for (const act of undo.splice(0).reverse()) await act();
    },
    /** The folder of the newest backup. */
    newest: (): string => join(backups, readdirSync(backups).sort().at(-1) ?? ""),
    state: join(world.directory, "state"),
    pass(ms: number): void {
      aheadMs += ms;
    },
    /** A write of the application, and a backup that holds it. */
    async backup(): Promise<void> {
      await orders.insertOne({ n: -1 });
      await on((context, source) => backup(context, source, { kind: "full" }, context));
    },
    /** Receives the log until one segment more is stored. */
    async archive(): Promise<void> {
      const segments = (): number => globSync(path("sources/shop/log/*/*.zst.age")).length;
      const before = segments();
      const stop = new AbortController();
      const running = on((context, source) => archive(context, source, { ...watch, signal: stop.signal }));
      while (segments() === before) {
        await orders.insertOne({ n: -2 });
        await sleep(200);
      }
      stop.abort();
      await running;
    },
    drill: () => on((context) => drill.run(context, { source: "shop" })),
    beat: beatOn(on),
  };
}

export type Stored = Awaited<ReturnType<typeof beginStored>>;

/** Moved out of the repository by hand, and put back. */
export const moved = (name: string) => ({
  cause: ({ path, moveAside }: Stored) => moveAside(path(name)),
  cure: ({ putBack }: Stored) => putBack(),
});
