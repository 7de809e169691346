// docs/sandbox.md, from the sandbox's tables: what each plan allows, and what was assumed of the real service.
import { ASSUMPTIONS, LIMITS, type Limits, PLANS } from "../../packages/sandbox/index.ts";
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

const SERVICES: readonly (readonly [of: (typeof ASSUMPTIONS)[number]["of"], title: string])[] = [
  ["neon", "Neon"],
  ["atlas", "MongoDB Atlas"],
  ["mongodb", "MongoDB's servers"],
];

const assumptionsOf = (of: string): string =>
  table(
    ["about", "in the sandbox", "because"],
    ASSUMPTIONS.filter((row) => row.of === of).map(({ about, here, because }) => [about, here, because]),
  );

export function sandboxPage(): string {
  return [
    "# The sandbox",
    "",
    GENERATED,
    "",
    "`lifeboat sandbox` starts two services on loopback, without an account and without cost: what a backup tool meets there, it meets",
    "here. It runs until it is told to stop, and leaves nothing. It is part of the source code (`packages/sandbox`), not of the published",
    "package: run it in a clone, after `npm ci`.",
    "",
    "- **Neon's API** (version 2) in front of real PostgreSQL clusters: branches, restores to an instant or a position of the log,",
    "  snapshots, schedules, computes that sleep and wake, limits of the plans, operations that take their time. It needs PostgreSQL's",
    "  server programs.",
    "- **Atlas's Administration API** (version 2) in front of servers that speak MongoDB's protocol and remember every version of their",
    "  documents: clusters that take their time, backup schedules, snapshots, restores of snapshots and seconds, of whole clusters and of",
    "  collections, exports, the compliance policy. It needs nothing else.",
    "",
    "```sh",
    "lifeboat sandbox                        # says where they are, and how to look at them",
    "lifeboat sandbox --only atlas           # one of them",
    "lifeboat sandbox --json                 # one line once both are ready: neon{apiHost,apiKey,projectId,branch,url},",
    "                                        # atlas{apiHost,clientId,clientSecret,groupId,cluster,url,user,password}",
    "export NEON_API_HOST=… NEON_API_KEY=…   # then Neon's own command line works against it",
    "npx neon branches list --project-id … --no-analytics",
    "mongosh 'mongodb://…'                   # and MongoDB's shell against the cluster",
    "```",
    "",
    "A branch costs next to nothing until somebody connects to it. Neon's connection strings are the real ones in form: TLS, password,",
    "channel binding; the host is an address of this machine. Those of Atlas's clusters are without TLS. Atlas's work goes on `--speed`",
    "times as fast as at the real service, 100 unless told: a cluster, which takes it eight minutes, takes five seconds.",
    "",
    "## Plans of Neon",
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
    "tables come from `lifeboat sandbox --assumptions`.",
    "",
    ...SERVICES.flatMap(([of, title]) => [`### ${title}`, "", assumptionsOf(of), ""]),
  ].join("\n");
}
