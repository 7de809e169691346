// A copy that moves forward through its history: a base backup is unpacked once, its server replays the log, waits at each position that
// it is given, and answers questions there. Nothing is replayed twice.
//
// The server is a standby whose log is what we let it have: a segment is handed out only up to the position, with zeros behind, which is
// where a standby waits for more. Its request for more is answered when the copy is to move on.
import { LifeboatError } from "../../../core/errors.ts";
import { compareLsn, parseLsn } from "../../../core/lsn.ts";
import type { Forward, ForwardOrder } from "../../../ports/physical.ts";
import { readControlFile } from "../cluster/control-file.ts";
import { requireCell } from "../cluster/isolation.ts";
import { type Client, openClient } from "../connect/client.ts";
import { parseSegmentName, segmentStart } from "../log/names.ts";
import { beginPlace, planPlace, type RecoveryPlace, undoPlace } from "./place.ts";
import { databasesOf, type RecoveryTools, serverPrograms } from "./recover.ts";
import { type Replaying, STALL_MS, startReplay } from "./replaying.ts";
import { unpack } from "./unpack.ts";

const POLL_MS = 5;
/** A server that has all log up to the first position, and is consistent, takes questions at once. */
const ANSWERS_MS = 20_000;

/** As the port says. */
export async function beginForward(order: ForwardOrder, tools: RecoveryTools): Promise<Forward> {
  const bin = await serverPrograms(order, tools);
  const place = await planPlace(order);
  const { isolation = "required" } = tools;
  await requireCell(isolation, place.owner);
  await order.declare?.(place.resource);
  const step = order.step ?? ((_name, run) => run());
  let replaying: Replaying | undefined;
  try {
    await step("unpack", async () => {
      await beginPlace(place);
      await unpack(order, place);
    });
    return await step("replay", async () => {
      const giveUp = new AbortController();
      const signal = order.signal === undefined ? giveUp.signal : AbortSignal.any([order.signal, giveUp.signal]);
      const gate = new Gate(order, () => {
        const why = `the server takes no questions at ${order.to}: transactions of before the base backup are still open there`;
        return setTimeout(() => giveUp.abort(new LifeboatError("RECOVERY_SHORT", why)), ANSWERS_MS);
      });
      const control = await readControlFile(bin, place.directory, signal);
      try {
        replaying = await startReplay({ ...order, signal }, place, bin, isolation, {
          signalFile: "standby.signal",
          expected: [],
          fetch: (name, fetching) => gate.fetch(name, fetching),
          settings: standbySettings(order.serverMajor, control.get("max_wal_senders setting") ?? "10"),
        });
      } finally {
        gate.answers(); // or never will: either way its timer ends
      }
      return await moving(order, place, replaying, gate);
    });
  } catch (error) {
    await replaying?.endFeeding();
    await undoPlace(place.resource, order.maker);
    throw error;
  }
}

const standbySettings = (serverMajor: number, senders: string) => ({
  hot_standby: "on",
  // A standby refuses to answer with less than its origin had.
  max_wal_senders: senders,
  wal_level: "replica",
  wal_retrieve_retry_interval: "20ms",
  // What a transaction has locked that was still open at that instant stays locked for as long as the copy waits there.
  lock_timeout: "2s",
  ...(serverMajor >= 15 ? { recovery_prefetch: "off" } : {}),
});

async function moving(order: ForwardOrder, place: RecoveryPlace, { cluster, failed, endFeeding }: Replaying, gate: Gate): Promise<Forward> {
  const signal = order.signal === undefined ? failed : AbortSignal.any([order.signal, failed]);
  const client = await openClient(cluster.connection("postgres"), { signal });
  try {
    await reach(client, order.to, signal);
  } catch (error) {
    await client.close();
    throw error;
  }
  let at = order.to;
  return {
    resource: place.resource,
    connection: (database) => cluster.connection(database),
    databases: async () => (await databasesOf(client)).usable,
    async advance(to) {
      if (compareLsn(to, at) < 0) throw new LifeboatError("BUG", `a copy at ${at} cannot go back to ${to}`);
      at = to;
      gate.open(to);
      await reach(client, to, signal);
    },
    async remove() {
      await client.close();
      await endFeeding();
      await undoPlace(place.resource, order.maker);
    },
  };
}

/** Waits until everything before the position is replayed. */
async function reach(client: Client, to: string, signal: AbortSignal): Promise<void> {
  let lastMs = performance.now();
  let last = "";
  for (;;) {
    signal.throwIfAborted();
    const [row] = await client.query<{ at: string }>("select pg_catalog.pg_last_wal_replay_lsn()::pg_catalog.text as at");
    const at = row?.at ?? "0/0";
    if (compareLsn(at, to) >= 0) return;
    if (at !== last) lastMs = performance.now();
    last = at;
    if (performance.now() - lastMs > STALL_MS)
      throw new LifeboatError("TOOL_FAILED", `the server has made no progress for ${STALL_MS / 60_000} minutes; it is at ${at}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Hands out the log up to a position, and holds every request for more until the position moves. */
class Gate {
  readonly #order: ForwardOrder;
  readonly #onIdle: () => NodeJS.Timeout;
  readonly #given = new Map<string, bigint>();
  #to: bigint;
  #moved = Promise.withResolvers<void>();
  #idle: NodeJS.Timeout | undefined;
  #answering = false;
  #kept: { readonly name: string; readonly bytes: Buffer } | undefined;

  /** `onIdle`: the server has all log up to the first position; the timer that it returns is ended when the server answers. */
  constructor(order: ForwardOrder, onIdle: () => NodeJS.Timeout) {
    this.#order = order;
    this.#onIdle = onIdle;
    this.#to = parseLsn(order.to);
  }

  open(to: string): void {
    this.#to = parseLsn(to);
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  answers(): void {
    this.#answering = true;
    clearTimeout(this.#idle);
  }

  async fetch(name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    const segment = parseSegmentName(name);
    if (segment === undefined) return this.#order.fetchLog(name, signal);
    const { segmentBytes } = this.#order.base;
    const start = segmentStart(segment, segmentBytes);
    const end = start + BigInt(segmentBytes);
    for (;;) {
      const until = this.#to < end ? this.#to : end;
      if (until > start && this.#given.get(name) !== until) {
        const bytes = await this.#segment(name, signal);
        if (bytes === undefined) return undefined;
        this.#given.set(name, until);
        return cut(bytes, Number(until - start));
      }
      if (!this.#answering) this.#idle ??= this.#onIdle();
      await Promise.race([this.#moved.promise, aborted(signal)]);
      signal.throwIfAborted();
    }
  }

  /** The segment that is handed out again and again is kept. */
  async #segment(name: string, signal: AbortSignal): Promise<Buffer | undefined> {
    if (this.#kept?.name === name) return this.#kept.bytes;
    const stored = await this.#order.fetchLog(name, signal);
    if (stored === undefined) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of stored) chunks.push(chunk);
    this.#kept = { name, bytes: Buffer.concat(chunks) };
    return this.#kept.bytes;
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** The bytes up to a length, and zeros in place of the others. */
async function* cut(bytes: Buffer, sizeBytes: number): AsyncIterable<Uint8Array> {
  yield bytes.subarray(0, sizeBytes);
  if (sizeBytes < bytes.length) yield Buffer.alloc(bytes.length - sizeBytes);
}
