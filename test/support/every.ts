/**
 * How far apart the moments lie at which a long campaign strikes. LIFEBOAT_TEST_EVERY=1 strikes at every single one, which takes
 * the better part of an hour; without it a run takes some of them, evenly.
 */
export const every = (some: number): number => (process.env.LIFEBOAT_TEST_EVERY === "1" ? 1 : some);
