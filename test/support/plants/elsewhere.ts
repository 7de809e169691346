// Where monitors are planted and cured that a test of their own subject has the parts for.
import type { HealthCode } from "../../../src/core/monitors.ts";

export const ELSEWHERE = {
  SOURCE_REPLACED: "test/recovery/other-server.test.ts",
  TABLE_EMPTIED: "test/integration/watch.test.ts",
  REPOSITORY_FILLING: "test/integration/watch.test.ts",
  NOTIFY_FAILED: "test/integration/watch.test.ts",
  CONFIG_REFUSED: "test/e2e/serve.test.ts",
  WORK_PARKED: "test/journeys/work.test.ts",
  QUEUE_AWAY: "test/journeys/work.test.ts",
  BREAK_GLASS: "test/journeys/approval.test.ts",
  COLLATION_CHANGED: "test/recovery/odd-servers.test.ts",
  ERASURES_LOST: "test/attacks/erasures.test.ts",
} satisfies { readonly [code in HealthCode]?: string };
