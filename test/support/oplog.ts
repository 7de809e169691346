// Helpers of the tests of the archived oplog.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { MongoSandboxOptions } from "../../packages/sandbox/mongo/sandbox.ts";
import type { SegmentFacts } from "../../src/core/log.ts";
import { connectionFromUrl } from "../../src/engines/mongodb/connect/url.ts";
import { oplogEngine } from "../../src/engines/mongodb/oplog/oplog.ts";
import { after, positionOf } from "../../src/engines/mongodb/oplog/position.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { ReceiverOptions } from "../../src/ports/log.ts";
import { until } from "./archive.ts";
import { beginMongoWorld, latestMoment, type Moment, type MongoWorld } from "./mongo-world.ts";

export interface Received {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Collector {
  readonly segments: readonly Received[];
  readonly notices: readonly { readonly code: string; readonly message: string }[];
  /** Position that the received log reaches. */
  reached(): string;
  /** Waits until all entries that the server has at the moment are received. */
  caughtUp(): Promise<void>;
  /** Ends the receiver; what was cut last is among the segments then. */
  end(): Promise<void>;
}

/** A server of the test's own, and its end. */
export async function mongoWorld(t: TestContext, options: MongoSandboxOptions = {}): Promise<MongoWorld> {
  const world = await beginMongoWorld(options);
  t.after(() => world[Symbol.asyncDispose]());
  return world;
}

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-oplog-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export const connectionTo = (world: MongoWorld, database?: string): Connection => connectionFromUrl(world.url(database));

/** Where the server's log stands now: right after its newest entry. */
export function nowAt(world: MongoWorld): string {
  const { t, i } = world.sandbox.position();
  return positionOf(after((BigInt(t) << 32n) | BigInt(i)));
}

/** Receives the log of a world, and stores it in memory. */
export async function collect(
  world: MongoWorld,
  options: Partial<ReceiverOptions> & Pick<ReceiverOptions, "directory">,
): Promise<Collector> {
  const engine = oplogEngine();
  const notices: { code: string; message: string }[] = [];
  const segments: Received[] = [];
  const receiver = await engine.openReceiver(connectionTo(world), {
    slot: "unused",
    partialEveryMs: 100,
    onNotice: (notice) => notices.push(notice),
    ...options,
  });
  const reading = (async () => {
    for await (const file of receiver.files()) {
      segments.push({ name: file.name, bytes: await file.read() });
      await file.stored();
    }
  })();
  reading.catch(() => {});
  const reached = (): string => {
    const last = segments.at(-1);
    return last === undefined ? "0/0" : engine.readSegment(last.name, last.bytes).facts.nextLsn;
  };
  return {
    segments,
    notices,
    reached,
    async caughtUp() {
      const wanted = nowAt(world);
      await until(`the log to ${wanted} was received`, async () => engine.compareLsn(reached(), wanted) >= 0, 30);
    },
    async end() {
      await receiver.end();
      await reading;
    },
  };
}

/** Facts of segments in order, each read with the one before; asserts nothing. */
export function chainOf(segments: readonly Received[]): { readonly facts: SegmentFacts; readonly linked: boolean }[] {
  const engine = oplogEngine();
  const chain: { facts: SegmentFacts; linked: boolean }[] = [];
  for (const { name, bytes } of segments) chain.push(engine.readSegment(name, bytes, chain.at(-1)?.facts));
  return chain;
}

export async function* each<T>(items: Iterable<T>): AsyncIterable<T> {
  for (const item of items) yield item;
}

let numbers = 0;

/** So many writes of every kind to the shop, and what was there after each. Documents have numbers that none had before. */
export async function written(world: MongoWorld, writes: number, database = "shop"): Promise<readonly Moment[]> {
  const collection = world.db(database).collection<{ _id: number; n: number }>("written");
  const ids: number[] = [];
  const moments: Moment[] = [];
  for (let i = 0; i < writes; i++) {
    const [kind, any] = [i % 5, ids[(i * 7) % Math.max(1, ids.length)] ?? -1];
    if (kind < 2 || ids.length === 0) {
      const _id = ++numbers;
      await collection.insertOne({ _id, n: i });
      ids.push(_id);
    } else if (kind === 2) await collection.updateOne({ _id: any }, { $set: { text: `changed ${i}` }, $inc: { n: 1 } });
    else if (kind === 3) await collection.replaceOne({ _id: any }, { n: -i });
    else await collection.deleteOne({ _id: ids.pop() ?? -1 });
    moments.push(await latestMoment(world, database));
  }
  return moments;
}
