// A hold and an expiry that race for one restore point, one storage call at a time, in every order that two switches allow and in many
// others: a point whose hold was confirmed is never removed.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { inTurn, memoryStorage } from "../../../test/support/memory-storage.ts";
import { drivenClock, manifestFor, temporaryDirectory, testTrust } from "../../../test/support/repository.ts";
import { asLifeboatError } from "../../core/errors.ts";
import { makeId } from "../../core/ids.ts";
import { silentProgress } from "../../ports/progress.ts";
import type { Storage } from "../../ports/storage.ts";
import { commitManifest, readManifest } from "../../repository/backups.ts";
import { openCatalog } from "../../repository/catalog.ts";
import { backupFolderName, partName } from "../../repository/layout.ts";
import { readMarks } from "../../repository/marks.ts";
import { createRepository } from "../../repository/open.ts";
import type { Context, Source } from "../context.ts";
import { findAnyPoint } from "../points/snapshots.ts";
import { expire } from "./expire.ts";
import { setHold } from "./hold.ts";

const DAY_MS = 86_400_000;
const watch = { signal: new AbortController().signal, progress: silentProgress };
const trust = testTrust();

type Actor = "expire" | "hold";

/** Lets each actor make one storage call when the schedule says its name; when it is over, or only one is left, all continue. */
class Turns {
  calls = { expire: 0, hold: 0 };
  readonly #schedule: Actor[];
  readonly #waiting: { readonly actor: Actor; readonly go: () => void }[] = [];
  readonly #done = new Set<Actor>();

  constructor(schedule: readonly Actor[]) {
    this.#schedule = [...schedule];
  }

  turn(actor: Actor): () => Promise<void> {
    return () =>
      new Promise((go) => {
        this.calls[actor]++;
        this.#waiting.push({ actor, go });
        this.#next();
      });
  }

  end(actor: Actor): void {
    this.#done.add(actor);
    this.#next();
  }

  #next(): void {
    while (this.#schedule[0] !== undefined && this.#done.has(this.#schedule[0])) this.#schedule.shift();
    const wanted = this.#schedule[0];
    const at = wanted === undefined ? 0 : this.#waiting.findIndex(({ actor }) => actor === wanted);
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (next === undefined) return; // it is at work, and comes here again
    this.#schedule.shift();
    next.go();
    setImmediate(() => this.#next()); // by then the call is over: several of one actor may wait for each other
  }
}

/** Two backups; the older one has expired. */
async function world(directory: string) {
  const clock = drivenClock();
  const storage = memoryStorage(clock);
  const repository = await createRepository(storage, ["age1test"], clock, trust);
  const ids: string[] = [];
  for (const daysAgo of [4, 0]) {
    const at = new Date(clock.now().getTime() - daysAgo * DAY_MS - 3_600_000);
    const id = makeId(at, new Uint8Array([daysAgo, 1, 1, 1, 1]));
    const place = { source: "shop", folder: backupFolderName(at, "full", id) };
    for (const part of ["data", "fingerprint"]) await storage.put(partName("shop", place.folder, part), new TextEncoder().encode("rows"));
    await commitManifest(repository, place, manifestFor({ id, name: `day-${daysAgo}`, snapshotAt: at.toISOString() }));
    ids.push(id);
  }
  const source = { name: "shop", policy: { tiers: [], keepManualMs: 2 * DAY_MS } } as unknown as Source;
  const contextOn = (seen: Storage): Context & { close(): Promise<void> } => {
    const own = { ...repository, storage: seen };
    const catalog = openCatalog(own, directory);
    return {
      ...{ repository: own, catalog, clock, sources: new Map([["shop", source]]), servers: new Map(), lifeboat: "0" },
      close: async () => catalog.close(),
    } as unknown as Context & { close(): Promise<void> };
  };
  return { repository, source, id: ids[0] ?? "", contextOn };
}

/** Runs both by the schedule. Fails when a confirmed hold did not keep its point, or half of one is left. */
async function race(directory: string, schedule: readonly Actor[]) {
  const { repository, source, id, contextOn } = await world(directory);
  const { storage } = repository;
  const turns = new Turns(schedule);
  const expirer = contextOn(inTurn(storage, turns.turn("expire")));
  const holder = contextOn(inTurn(storage, turns.turn("hold")));
  const holding = async (): Promise<string> => {
    const found = await findAnyPoint(holder, id);
    await setHold(holder, found, true, "legal", watch);
    return "held";
  };
  const [removed, held] = await Promise.all([
    expire(expirer, source, watch)
      .then(({ refused, remove }) => (refused.length > 0 ? "refused" : remove.length > 0 ? "removed" : "kept"))
      .finally(() => turns.end("expire")),
    holding()
      .catch((error: unknown) => asLifeboatError(error).code)
      .finally(() => turns.end("hold")),
  ]);
  await Promise.all([expirer.close(), holder.close()]);
  const order = schedule.join(" ").replaceAll(/(\w+)( \1)*/g, (same, actor) => `${actor} ×${same.split(" ").length}`);
  const objects = [];
  for await (const { name } of storage.list("sources/shop/")) if (name.includes(id)) objects.push(name);
  const folder = objects.find((name) => name.endsWith("manifest.json"))?.split("/")[3];
  if (held === "held") {
    assert.ok(folder, `${order}: the hold was confirmed, and the point is gone (expire: ${removed})`);
    assert.ok(await readManifest(repository, { source: "shop", folder }), order);
    assert.equal((await readMarks(repository, "shop", id)).hold?.reason, "legal", order);
    assert.ok(
      objects.some((name) => name.includes("data")),
      `${order}: all of it is there`,
    );
  } else {
    assert.match(held, /^(LEASE_HELD|POINT_UNKNOWN)$/, order);
    if (folder === undefined)
      assert.deepEqual(
        objects.filter((name) => !name.includes("/marks/")),
        [],
        `${order}: nothing of it is left`,
      );
  }
  return { held, removed, calls: turns.calls };
}

const repeat = (actor: Actor, times: number): Actor[] => Array.from({ length: times }, () => actor);

test("R33 R56 expire never overtakes a confirmed hold: every order with two switches, either side first", async (t) => {
  const directory = await temporaryDirectory(t);
  const alone = await race(directory, repeat("hold", 500));
  assert.equal(alone.held, "held");
  const { calls } = alone;
  const seen = new Set<string>();
  for (const [first, second] of [
    ["expire", "hold"],
    ["hold", "expire"],
  ] as const) {
    for (let before = 0; before <= calls[first]; before++) {
      for (const between of [500, ...(before % 3 === 0 ? [1, 3, 7, 12, 18] : [])]) {
        const { held, removed } = await race(directory, [...repeat(first, before), ...repeat(second, between), ...repeat(first, 500)]);
        seen.add(`${held} ${removed}`);
      }
    }
  }
  for (const outcome of ["held refused", "POINT_UNKNOWN removed"]) assert.ok(seen.has(outcome), `${outcome}: ${[...seen]}`);
  t.diagnostic(`${calls.expire} and ${calls.hold} calls: ${[...seen].sort().join(", ")}`);
});

test("R33 R56 a confirmed hold is never overtaken by expire: any order", async (t) => {
  const directory = await temporaryDirectory(t);
  const schedule = fc.array(fc.tuple(fc.constantFrom<Actor>("expire", "hold"), fc.integer({ min: 1, max: 9 })), {
    minLength: 3,
    maxLength: 25,
  });
  await fc.assert(
    fc.asyncProperty(schedule, async (runs) => {
      await race(
        directory,
        runs.flatMap(([actor, times]) => repeat(actor, times)),
      );
    }),
    { numRuns: 150 },
  );
});
