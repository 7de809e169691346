// docs/sandbox.md, from the sandbox's tables: what each plan allows, and what was assumed of the real service.
import { ASSUMPTIONS } from "../../src/sandbox/neon/assumptions.ts";
import { LIMITS, type Limits, PLANS } from "../../src/sandbox/neon/limits.ts";
import { GENERATED, table } from "./markdown.ts";

const hours = (seconds: number): string => (seconds % 86_400 === 0 ? `${seconds / 86_400} d` : `${seconds / 3600} h`);

const ROWS: readonly (readonly [string, (limits: Limits) => string])[] = [
  ["projects", (limits) => `${limits.projects}`],
  ["branches of a project", (limits) => `${limits.branches}`],
  ["root branches", (limits) => `${limits.rootBranches}`],
  ["protected branches", (limits) => `${limits.protectedBranches}`],
  ["history: at first, at most", (limits) => `${hours(limits.defaultHistorySeconds)}, ${hours(limits.maxHistorySeconds)}`],
  ["snapshots made by hand", (limits) => `${limits.manualSnapshots}`],
  ["scheduled snapshots", (limits) => (limits.scheduledSnapshots ? "yes" : "no")],
  ["shortest timeout for suspending", (limits) => (limits.minSuspendSeconds === undefined ? "fixed" : `${limits.minSuspendSeconds} s`)],
];

export function sandboxPage(): string {
  return [
    "# The Neon sandbox",
    "",
    GENERATED,
    "",
    "`lifeboat sandbox` starts Neon's API (version 2) on loopback in front of real PostgreSQL clusters. Branches, restores to an instant",
    "or a position of the log, snapshots, schedules, computes that sleep and wake, limits of the plans, operations that take their time:",
    "what a backup tool meets there, it meets here, without an account and without cost. It runs until it is told to stop, and leaves nothing.",
    "",
    "```sh",
    "lifeboat sandbox --plan launch          # says where it is, and how to look at it",
    "lifeboat sandbox --json                 # one line once it is ready: neon{apiHost,apiKey,projectId,branch,url}",
    "export NEON_API_HOST=… NEON_API_KEY=…   # then the provider's own command line works against it",
    "npx neon branches list --project-id … --no-analytics",
    "```",
    "",
    "A branch costs next to nothing until somebody connects to it. Connection strings are the real ones in form: TLS, password, channel",
    "binding; the host is an address of this machine. It needs PostgreSQL's server programs.",
    "",
    "## Plans",
    "",
    "As published in November 2026. A test can change any of them.",
    "",
    table(
      ["", ...PLANS],
      ROWS.map(([title, say]) => [title, ...PLANS.map((plan) => say(LIMITS[plan]))]),
    ),
    "",
    "## What it assumes",
    "",
    "Where nobody outside knows how the real service behaves, the sandbox chose, and where it differs knowingly, it says so. The same",
    "table comes from `lifeboat sandbox --assumptions`.",
    "",
    table(
      ["about", "in the sandbox", "because"],
      ASSUMPTIONS.map(({ about, here, because }) => [about, here, because]),
    ),
    "",
  ].join("\n");
}
