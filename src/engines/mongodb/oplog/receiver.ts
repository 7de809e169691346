// Continuous archiving of the oplog: entries are read as they come, cut into segments, and handed over in log order.
//
// Nothing at the server remembers how far we are. The newest segment, here or stored, says it, and its last entry proves it: the
// oplog is read from that very entry on, and only when it is there, byte for byte, does the log run on. Otherwise it has rolled
// over, or is another one: a new recovery window begins, with a notice.
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { LogFile, LogReceiver, ReceiverOptions } from "../../../ports/log.ts";
import { type MongoSession, openMongo } from "../connect/connect.ts";
import { type Anchor, type CutSegment, Cutter } from "./cutter.ts";
import { positionOf, stampOf } from "./position.ts";
import { entryDigest, readSegment, type Slice, tailOf } from "./segment.ts";
import { Spool } from "./spool.ts";
import { noteIn, systemIdentifierOf } from "./state.ts";
import { entryBefore, oplogEdge, tailFrom } from "./tail.ts";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const POLL_MS = 200;

/** What may be over soon: the server is away, changed its mind about who leads, or gave our cursor up. */
const PASSING = new Set(["SOURCE_UNREACHABLE", "SOURCE_CHANGED"]);

/**
 * Resolves when entries are being read, or when the source does not answer but an earlier run left segments to hand over. Throws
 * SOURCE_*, CAPABILITY_MISSING (no oplog), ARCHIVE_BLOCKED. Notices: ARCHIVE_RESUMED, LOG_GAP, and the code of an interruption.
 */
export async function openReceiver(connection: Connection, options: ReceiverOptions): Promise<LogReceiver> {
  const spool = new Spool(options.directory);
  await spool.open();
  const leftOvers = await spool.names();
  const stopped = new AbortController();
  const signal = options.signal === undefined ? stopped.signal : AbortSignal.any([options.signal, stopped.signal]);
  const line = new Line(connection, options, spool, signal);
  await line.recall(leftOvers);
  const fetching = line.run(leftOvers.length > 0);
  await line.started;
  if (line.failure !== undefined && leftOvers.length === 0) {
    await fetching;
    throw line.failure;
  }
  options.signal?.throwIfAborted();
  return {
    async *files(): AsyncGenerator<LogFile> {
      const handed = new Set<string>();
      for (;;) {
        // Looked at before the directory: what was cut before the end is then found.
        const last = line.done;
        for (const name of await spool.names()) {
          if (handed.has(name)) continue;
          handed.add(name);
          yield { name, kind: "segment", read: () => spool.read(name), stored: () => spool.remove(name) };
        }
        if (last) break;
        await line.news(POLL_MS);
      }
      if (line.failure !== undefined) throw line.failure;
    },
    async end() {
      stopped.abort(new LifeboatError("CANCELLED", "the receiver of the oplog was ended"));
      await fetching;
    },
  };
}

class Line {
  readonly #connection: Connection;
  readonly #options: ReceiverOptions;
  readonly #spool: Spool;
  readonly #signal: AbortSignal;
  readonly #started = Promise.withResolvers<void>();
  #wake = Promise.withResolvers<void>();
  /** The last entry received, here or by an earlier run; undefined: nothing ever was. */
  #last: Anchor | undefined;
  /** Of the log that we have. */
  #system: string | undefined;
  #cutter: Cutter | undefined;
  failure: unknown;
  done = false;

  constructor(connection: Connection, options: ReceiverOptions, spool: Spool, signal: AbortSignal) {
    this.#connection = connection;
    this.#options = options;
    this.#spool = spool;
    this.#signal = signal;
  }

  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** Resolves when a segment was cut, or after so long. */
  async news(atMostMs: number): Promise<void> {
    await Promise.race([this.#wake.promise, sleep(atMostMs)]);
    this.#wake = Promise.withResolvers();
  }

  /** Where earlier runs came to. */
  async recall(leftOvers: readonly string[]): Promise<void> {
    const { last } = this.#options;
    const tail = last && tailOf(last);
    if (last !== undefined && tail !== undefined) {
      this.#last = { stamp: stampOf(tail.position), sha256: tail.sha256 };
      this.#system = last.systemIdentifier;
    }
    const name = leftOvers.at(-1);
    if (name === undefined) return;
    const { facts } = readSegment(name, await this.#spool.read(name));
    const own = tailOf(facts);
    if (own === undefined || (this.#last !== undefined && stampOf(own.position) < this.#last.stamp)) return;
    this.#last = { stamp: stampOf(own.position), sha256: own.sha256 };
    this.#system = facts.systemIdentifier;
  }

  /** Reads for as long as it is wanted. Never rejects: `failure` says what ended it. */
  async run(patient: boolean): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    let away: string | undefined;
    let connected = patient;
    try {
      while (!this.#signal.aborted) {
        try {
          await this.#read(() => {
            if (away !== undefined) this.#say("ARCHIVE_RESUMED", `${this.#connection.label} answers again: its oplog is read on`);
            away = undefined;
            connected = true;
            pauseMs = FIRST_PAUSE_MS;
            this.#started.resolve();
          });
        } catch (error) {
          if (this.#signal.aborted) break;
          if (!connected || !isLifeboatError(error) || !PASSING.has(error.code)) throw error;
          if (away !== error.code) this.#say(error.code, `${error.message}; tried again until it answers`);
          away = error.code;
          this.#started.resolve();
        }
        await this.#store(this.#cutter?.cut()); // there may be no more of it for a while
        await sleep(pauseMs, undefined, { signal: this.#signal }).catch(() => {});
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      }
    } catch (error) {
      this.failure = error;
    }
    try {
      await this.#store(this.#cutter?.cut());
    } catch (error) {
      this.failure ??= error;
    }
    this.done = true;
    this.#started.resolve();
    this.#wake.resolve();
  }

  /** One connection: from where we are, until it breaks, or the server has nothing from there on. */
  async #read(onReading: () => void): Promise<void> {
    const session = await openMongo(this.#connection, { signal: this.#signal, poolSize: 3 });
    try {
      const system = await systemIdentifierOf(session);
      this.#assertSameSystem(system);
      this.#last = this.#cutter?.last ?? this.#last ?? (await this.#beginning(session));
      this.#cutter = undefined;
      this.#system = system;
      const from = this.#last;
      const quiet = new Quiet(this.#options.partialEveryMs / 2);
      let [placed, begins] = [false, false];
      for await (const entry of tailFrom(session, from.stamp)) {
        onReading();
        if (entry === undefined) {
          if (quiet.isLong()) void noteIn(session);
        } else {
          quiet.begin();
          const isAnchor = !placed && entry.stamp === from.stamp;
          if (!placed) begins = !this.#runsOn(from, entry);
          placed = true;
          if (isAnchor) continue;
          this.#cutter ??= new Cutter(system, begins ? { stamp: entry.stamp - 1n } : from, this.#options.partialEveryMs);
          await this.#store(this.#cutter.add(entry, performance.now()));
        }
        if (this.#cutter?.dueInMs(performance.now()) === 0) await this.#store(this.#cutter.cut());
      }
      onReading();
    } catch (error) {
      throw session.translate(error, { otherwise: "SOURCE_UNREACHABLE" });
    } finally {
      await session.close();
    }
  }

  /** Whether the oplog still holds the last entry that we have, byte for byte; says so if not. */
  #runsOn(from: Anchor, entry: Slice): boolean {
    if (entry.stamp === from.stamp && entryDigest(entry.bytes) === from.sha256) return true;
    const { label } = this.#connection;
    const why =
      entry.stamp === from.stamp
        ? `the oplog of ${label} holds another entry at ${positionOf(from.stamp)} than the one that was archived: its past is another one now`
        : `the oplog of ${label} no longer holds what came after ${positionOf(from.stamp)}; it continues at ${positionOf(entry.stamp)}`;
    this.#say("LOG_GAP", `${why}: a new recovery window begins, which requires a new backup`);
    return false;
  }

  /** Nothing is archived yet: right before what the newest backup needs, where the oplog still has it; else now. */
  async #beginning(session: MongoSession): Promise<Anchor> {
    const { wantedFrom } = this.#options;
    const wanted = wantedFrom === undefined ? undefined : await entryBefore(session, stampOf(wantedFrom));
    const entry = wanted ?? (await oplogEdge(session, "last"));
    if (entry === undefined) throw new LifeboatError("CAPABILITY_MISSING", `the oplog of ${this.#connection.label} is empty`);
    return { stamp: entry.stamp, sha256: entryDigest(entry.bytes) };
  }

  /** Another set's log in the same archive would be taken for this one's. */
  #assertSameSystem(system: string): void {
    if (this.#system === undefined || this.#system === system) return;
    throw new LifeboatError(
      "ARCHIVE_BLOCKED",
      `the archived log is of another replica set (${this.#system}) than ${this.#connection.label} (${system}): was it made anew?`,
      { hint: "archive each replica set under a source of its own, with a directory of its own" },
    );
  }

  async #store(segment: CutSegment | undefined): Promise<void> {
    if (segment === undefined) return;
    await this.#spool.put(segment.name, segment.parts);
    this.#wake.resolve();
  }

  #say(code: string, message: string): void {
    this.#options.onNotice({ code, message });
  }
}

/** Notices, once in that time, that nothing came for so long. */
class Quiet {
  readonly #longMs: number;
  #sinceMs = performance.now();

  constructor(longMs: number) {
    this.#longMs = longMs;
  }

  begin(): void {
    this.#sinceMs = performance.now();
  }

  isLong(): boolean {
    if (performance.now() - this.#sinceMs < this.#longMs) return false;
    this.begin();
    return true;
  }
}
