/**
 * The interval between the moments at which a long campaign kills. LIFEBOAT_TEST_EVERY=1 kills at every single one, which takes
 * the better part of an hour; without it a run takes some of them, evenly.
 */
export const every = (some: number): number => (process.env.LIFEBOAT_TEST_EVERY === "1" ? 1 : some);
