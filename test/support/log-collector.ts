// A consumer of a log receiver, as the archive is one: stores what is handed over, and follows the records from file to file.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SegmentFacts } from "../../src/core/log.ts";
import { openReceiver } from "../../src/engines/postgres/log/receiver.ts";
import { readSegment } from "../../src/engines/postgres/log/segments.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { LogReceiver, ReceiverOptions } from "../../src/ports/log.ts";

export interface Collected {
  readonly name: string;
  readonly kind: string;
  readonly bytes: Uint8Array;
  readonly facts: SegmentFacts | undefined;
  readonly linked: boolean;
}

export interface Collector {
  readonly directory: string;
  readonly files: Collected[];
  readonly notices: { readonly code: string; readonly message: string }[];
  readonly receiver: LogReceiver;
  /** Ends as the receiver's files do: rejects with its error. */
  readonly ended: Promise<void>;
  /** Waits until the files satisfy a condition; rejects when they end before. */
  until(condition: (collector: Collector) => boolean): Promise<void>;
  /** Aborts, and waits for the last file. */
  stop(): Promise<void>;
  /** Ends all processes in every case and deletes the directory. */
  remove(): Promise<void>;
}

export interface CollectorOptions extends Partial<ReceiverOptions> {
  /** Before each file is stored. */
  readonly slow?: () => Promise<void>;
}

export async function collectLog(connection: Connection, options: CollectorOptions = {}): Promise<Collector> {
  const directory = options.directory ?? join(tmpdir(), `lifeboat-received-${randomBytes(5).toString("hex")}`);
  const files: Collected[] = [];
  const notices: Collector["notices"] = [];
  const abort = new AbortController();
  const receiver = await openReceiver(connection, {
    slot: "lifeboat_test",
    partialEveryMs: 200,
    ...options,
    directory,
    signal: abort.signal,
    onNotice: (notice) => notices.push(notice),
  }).catch(async (error: unknown) => {
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
    throw error;
  });
  const facts = new Map<string, SegmentFacts>();
  const consume = async (): Promise<void> => {
    for await (const file of receiver.files()) {
      await options.slow?.();
      const bytes = await file.read();
      if (file.kind === "history") files.push({ name: file.name, kind: file.kind, bytes, facts: undefined, linked: false });
      else {
        const before = [...facts.values()].findLast((known) => known.nextLsn === startOf(bytes) && !known.partial);
        const read = readSegment(file.name, bytes, before);
        // As it would come back from storage.
        if (file.kind === "segment") facts.set(file.name, JSON.parse(JSON.stringify(read.facts)));
        files.push({ name: file.name, kind: file.kind, bytes: Uint8Array.from(bytes), ...read });
      }
      await file.stored();
    }
  };
  let over = false;
  const ended = consume().finally(() => {
    over = true;
  });
  ended.catch(() => {});
  const collector: Collector = {
    directory,
    files,
    notices,
    receiver,
    ended,
    async until(condition) {
      while (!condition(collector)) {
        if (over) {
          await ended;
          throw new Error(`the receiver ended early: ${JSON.stringify(notices)}`);
        }
        await sleep(20);
      }
    },
    async stop() {
      abort.abort();
      await ended;
    },
    async remove() {
      abort.abort();
      await ended.catch(() => {});
      await receiver.end();
      assert.deepEqual(processesIn(directory), [], "no pg_receivewal is left");
      await rm(directory, { recursive: true, force: true });
    },
  };
  return collector;
}

function startOf(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return `${view.getUint32(12, true).toString(16)}/${view.getUint32(8, true).toString(16)}`.toUpperCase();
}

/** Processes that name the directory in their arguments. */
export function processesIn(directory: string): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(directory);
    } catch {
      return false;
    }
  });
}
