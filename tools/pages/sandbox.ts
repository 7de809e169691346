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
    "`lifeboat sandbox` starts emulators of two services on loopback, without an account and without cost, for trying a policy before it",
    "meets production. It runs until Ctrl-C and deletes all that it made. It is part of the source code (`packages/sandbox`) and not of the",
    "published package: run it in a clone, after `npm ci`.",
    "",
    "- **Neon's API** (version 2) in front of real PostgreSQL clusters: branches, restores to an instant or a WAL position, snapshots,",
    "  schedules, computes that suspend and wake, limits of the plans, operations that take their time. It needs PostgreSQL's programs.",
    "- **Atlas's Administration API** (version 2) in front of servers that speak MongoDB's protocol and keep every version of their",
    "  documents: clusters that take their time, backup schedules, snapshots, restores of snapshots and seconds, of whole clusters and of",
    "  collections, exports, the compliance policy. It needs nothing else.",
    "",
    "```sh",
    "lifeboat sandbox                        # prints what to paste into another shell: variables, and the commands that use them",
    "lifeboat sandbox --only atlas           # one of them",
    "lifeboat sandbox --json                 # one line once both are ready: neon{apiHost,apiKey,projectId,branch,url},",
    "                                        # atlas{apiHost,clientId,clientSecret,publicKey,privateKey,groupId,cluster,url,user,password}",
    "NEON_API_HOST=… NEON_API_KEY=… npx neon branches list --project-id … --no-analytics   # Neon's own command line",
    "mongosh 'mongodb://…'                   # MongoDB's shell",
    "```",
    "",
    "A branch costs next to nothing until its first connection. Neon's connection strings have the form of the real ones: TLS, password,",
    "channel binding; the host is an address of this machine. Those of Atlas's clusters are without TLS. Atlas works `--speed` times as",
    "fast as the real service (default: 100): a new cluster takes five seconds instead of eight minutes.",
    "",
    "## PostgreSQL's programs",
    "",
    "`lifeboat demo` and `lifeboat sandbox` use the programs of this machine, or those in the folder LIFEBOAT_POSTGRES_BIN. Where there are",
    "none, on Debian and Ubuntu, they download the distribution's own packages (20 MB) with `apt-get download`, which checks their",
    "signatures, and unpack them into `$XDG_CACHE_HOME/lifeboat/postgresql` (`~/.cache`; for root `/var/cache`). Nothing else of the system",
    "changes, it works without root's rights, and the next run finds them there. Delete the folder at any time. On other systems the error",
    "names the command that installs PostgreSQL.",
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
    "Where the behaviour of the real service is not documented, the sandbox assumes one. These are its assumptions and known differences. The same",
    "tables come from `lifeboat sandbox --assumptions`.",
    "",
    ...SERVICES.flatMap(([of, title]) => [`### ${title}`, "", assumptionsOf(of), ""]),
  ].join("\n");
}
