// The moments at which a long campaign kills. A run takes some of them, evenly, and another run takes others: the first one is drawn.
// LIFEBOAT_TEST_EVERY=1 takes every single one, for an hour.
import { randomInt } from "node:crypto";
import type { TestContext } from "node:test";

const TAKES_ALL = process.env.LIFEBOAT_TEST_EVERY === "1";

/** The interval between two moments. */
export const every = (some: number): number => (TAKES_ALL ? 1 : some);

/** How many cases of a property: all of them, or a few that are drawn anew in each run. */
export const cases = (all: number, few: number): number => (TAKES_ALL ? all : few);

/** The first moment, from 1 to the interval. */
export const firstOf = (some: number): number => (TAKES_ALL ? 1 : randomInt(1, some + 1));

/**
 * Tries every `step`th moment from a drawn one on, until one was too late (`attempt` gives false), and gives how often it was in
 * time. If the drawn one was too late already, it begins with the first: the draw never decides whether anything was tried.
 */
export async function atMoments(step: number, attempt: (n: number) => Promise<boolean>): Promise<number> {
  let times = 0;
  for (let n = firstOf(step); ; n += every(step)) {
    if (await attempt(n)) times++;
    else if (times > 0 || n === 1) return times;
    else n = 1 - every(step);
  }
}

/** What a campaign leaves out unless it takes every case. */
export const skipUnlessEvery = TAKES_ALL ? false : "only with LIFEBOAT_TEST_EVERY=1";

/** The seed of a random campaign: LIFEBOAT_TEST_SEED repeats a run. It is printed. */
export function seedOf(t: Pick<TestContext, "diagnostic">): number {
  const seed = Number(process.env.LIFEBOAT_TEST_SEED ?? randomInt(1_000_000));
  t.diagnostic(`LIFEBOAT_TEST_SEED=${seed}`);
  return seed;
}

/**
 * Runs a property for consecutive seeds, each a test of its own: one that fails is reported at once, and the others still run.
 * LIFEBOAT_TEST_SEED is the first seed, LIFEBOAT_TEST_CASES how many there are.
 */
export async function forSeeds(t: TestContext, all: number, few: number, run: (seed: number) => Promise<void>): Promise<void> {
  const first = seedOf(t);
  const many = Number(process.env.LIFEBOAT_TEST_CASES ?? cases(all, few));
  for (let seed = first; seed < first + many; seed++) await t.test(`seed ${seed}`, () => run(seed));
}
