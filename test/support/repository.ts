// A repository in a temporary directory, with a clock that tests drive.

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Manifest } from "../../src/core/manifest.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { ObjectInfo, Storage } from "../../src/ports/storage.ts";
import { createRepository } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { generateWriter, parseWriter, type Trust, trustOf } from "../../src/repository/trust.ts";
import { openLocalStorage } from "../../src/storage/local/local.ts";

export interface DrivenClock extends Clock {
  advance(ms: number): void;
}

export function drivenClock(start = "2026-11-21T03:00:00.000Z"): DrivenClock {
  let nowMs = Date.parse(start);
  return {
    now: () => new Date(nowMs),
    monotonicMs: () => nowMs,
    randomBytes: (sizeBytes) => randomBytes(sizeBytes),
    advance(ms) {
      nowMs += ms;
    },
  };
}

/** What a machine with a writer key of its own trusts. */
export function testTrust(): Trust {
  return trustOf([], parseWriter(generateWriter().pem, "a test"));
}

/** The storage as one whose own clock is this one: what is written through it carries that clock's time. */
export function onClock(storage: Storage, clock: Pick<Clock, "now">): Storage {
  const written = new Map<string, Date>();
  const stamped = (info: ObjectInfo): ObjectInfo => ({ ...info, modifiedAt: written.get(info.name) ?? info.modifiedAt });
  return {
    ...storage,
    async put(name, body, options) {
      const info = await storage.put(name, body, options);
      written.set(name, clock.now());
      return stamped(info);
    },
    async head(name, options) {
      const info = await storage.head(name, options);
      return info && stamped(info);
    },
    async *list(prefix, options) {
      for await (const info of storage.list(prefix, options)) yield stamped(info);
    },
    now: async () => clock.now(),
  };
}

/** A temporary directory that is deleted with the test. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(process.env.LIFEBOAT_TEST_TMP ?? tmpdir(), "lifeboat-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function temporaryRepository(
  t: TestContext,
  clock: Clock = drivenClock(),
): Promise<Repository & { readonly directory: string }> {
  const directory = await temporaryDirectory(t);
  const storage = onClock(openLocalStorage({ directory }), clock);
  t.after(() => storage.close());
  return { ...(await createRepository(storage, ["age1test"], clock, testTrust())), directory };
}

const DIGEST = "0".repeat(64);

/** A manifest that lacks nothing; `given` says what the test is about. Its parts are as large as `partBytes` unless given. */
export function manifestFor(given: Partial<Manifest> & Pick<Manifest, "id" | "snapshotAt">, partBytes = 4): Manifest {
  const facts = { sizeBytes: partBytes, sha256: DIGEST };
  const kind = given.kind ?? "full";
  const names = kind === "base" ? ["base", "manifest"] : ["data", "fingerprint"];
  const parts = given.parts ?? names.map((name) => ({ name, content: "test", plain: facts, stored: facts }));
  const digest = parts.find(({ name }) => name === "fingerprint")?.plain.sha256 ?? DIGEST;
  return {
    format: 1,
    name: `point-${given.id}`,
    source: "shop",
    provider: "postgres",
    engine: "postgres",
    kind,
    startedAt: given.snapshotAt,
    endedAt: given.snapshotAt,
    tiers: [],
    madeBy: { user: "u", host: "h", job: "0", lifeboat: "0" },
    server: { version: "15.0", tool: "pg_dump 15.0" },
    sourceBytes: 100,
    parts,
    recipients: ["age1test"],
    ...(kind === "base" ? {} : { fingerprint: { algorithm: "test", digest, tables: 1, rows: 1, unhashed: 0 } }),
    notIncluded: [],
    ...given,
  };
}
