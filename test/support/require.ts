// What a test needs from this machine. Where it is missing the test is skipped by name; where everything must be there
// (LIFEBOAT_TEST_REQUIRE_ALL=1, as in CI) it fails instead.
import type { TestContext } from "node:test";

/** Tells whether the test can run: `if (!need(t, "radosgw", findProgram("radosgw"))) return;` */
export function need(t: Pick<TestContext, "skip">, what: string, found: unknown): boolean {
  if (found) return true;
  if (process.env.LIFEBOAT_TEST_REQUIRE_ALL === "1") throw new Error(`${what} is not installed, and LIFEBOAT_TEST_REQUIRE_ALL asks for it`);
  t.skip(`${what} is not installed`);
  return false;
}
