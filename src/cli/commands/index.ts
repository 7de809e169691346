// Every command: name, summary, and where to load it from when it is used. Help and the documentation list them in this order.
import { OPERATIONS } from "../../operations/registry.ts";
import type { CommandEntry } from "../command.ts";

type Entry = Omit<CommandEntry, "group">;

/** A command that runs the operation of the same name. */
const of = (name: keyof typeof OPERATIONS, load: Entry["load"]): Entry => ({ name, summary: OPERATIONS[name].summary, load });

/** A command of this machine alone. */
const own = (name: string, summary: string, load: Entry["load"]): Entry => ({ name, summary, load });

const GROUPS: Readonly<Record<string, readonly Entry[]>> = {
  "Setting up:": [
    own("init", "Write a configuration, make the key and the repository", async () => (await import("./init.ts")).initCommand),
    of("check", async () => (await import("./check.ts")).checkCommand),
    of("plan", async () => (await import("./apply.ts")).planCommand),
    of("apply", async () => (await import("./apply.ts")).applyCommand),
  ],
  "Watching:": [
    of("status", async () => (await import("./status.ts")).statusCommand),
    of("alerts", async () => (await import("./tick.ts")).alertsCommand),
    of("drills", async () => (await import("./drills.ts")).drillsCommand),
    of("checklist", async () => (await import("./checklist.ts")).checklistCommand),
    of("schedule", async () => (await import("./schedule.ts")).scheduleCommand),
    of("list", async () => (await import("./list.ts")).listCommand),
    of("show", async () => (await import("./show.ts")).showCommand),
    of("preview", async () => (await import("./preview.ts")).previewCommand),
    of("audit", async () => (await import("./audit.ts")).auditCommand),
    of("audit verify", async () => (await import("./audit.ts")).auditVerifyCommand),
    of("compare", async () => (await import("./compare.ts")).compareCommand),
    of("find", async () => (await import("./find.ts")).findCommand),
    of("history", async () => (await import("./history.ts")).historyCommand),
    of("notify test", async () => (await import("./notify.ts")).notifyTestCommand),
    of("workers", async () => (await import("./work.ts")).workersCommand),
    of("workers release", async () => (await import("./work.ts")).workersReleaseCommand),
    own("mcp", "Serve the operations as tools for agents, on standard input and output", async () => (await import("./mcp.ts")).mcpCommand),
  ],
  "Protecting:": [
    of("tick", async () => (await import("./tick.ts")).tickCommand),
    of("pause", async () => (await import("./pause.ts")).pauseCommand),
    of("resume", async () => (await import("./pause.ts")).resumeCommand),
    own("serve", "Run the service: schedule, alerts, health and metrics over HTTP", async () => (await import("./serve.ts")).serveCommand),
    of("work", async () => (await import("./work.ts")).workCommand),
    of("backup", async () => (await import("./backup.ts")).backupCommand),
    of("archive", async () => (await import("./archive.ts")).archiveCommand),
    of("verify", async () => (await import("./verify.ts")).verifyCommand),
    of("drill", async () => (await import("./drill.ts")).drillCommand),
    of("export", async () => (await import("./export.ts")).exportCommand),
    of("guard", async () => (await import("./guard.ts")).guardCommand),
  ],
  "Recovering:": [
    of("restore", async () => (await import("./restore.ts")).restoreCommand),
    of("recover", async () => (await import("./recover.ts")).recoverCommand),
    of("promote", async () => (await import("./promote.ts")).promoteCommand),
    of("cutover", async () => (await import("./cutover.ts")).cutoverCommand),
    of("approvals", async () => (await import("./approvals.ts")).approvalsCommand),
    of("approvals request", async () => (await import("./approvals.ts")).approvalsRequestCommand),
    of("approvals revoke", async () => (await import("./approvals.ts")).approvalsRevokeCommand),
    of("approve", async () => (await import("./approve.ts")).approveCommand),
    of("accept", async () => (await import("./promote.ts")).acceptCommand),
    of("undo", async () => (await import("./undo.ts")).undoCommand),
  ],
  "Keeping:": [
    of("forget", async () => (await import("./forget.ts")).forgetCommand),
    of("erasures", async () => (await import("./forget.ts")).erasuresCommand),
    of("erasures revoke", async () => (await import("./forget.ts")).erasuresRevokeCommand),
    of("expire", async () => (await import("./expire.ts")).expireCommand),
    of("hold", async () => (await import("./hold.ts")).holdCommand),
    of("release", async () => (await import("./hold.ts")).releaseCommand),
    of("acknowledge", async () => (await import("./acknowledge.ts")).acknowledgeCommand),
    of("jobs", async () => (await import("./jobs.ts")).jobsCommand),
    of("jobs show", async () => (await import("./jobs.ts")).jobsShow),
    of("jobs recover", async () => (await import("./jobs.ts")).jobsRecover),
  ],
  "Keys:": [
    of("token create", async () => (await import("./token.ts")).tokenCreateCommand),
    of("token list", async () => (await import("./token.ts")).tokenListCommand),
    of("token revoke", async () => (await import("./token.ts")).tokenRevokeCommand),
    own("key new", "Make the identity that opens backups, and print its recipient", async () => (await import("./key.ts")).keyNew),
    own("key writer", "Make the key that signs what this machine writes", async () => (await import("./key.ts")).keyWriter),
    own("key approver", "Make the key that signs what one person approves", async () => (await import("./key.ts")).keyApprover),
    own("key rotate", "Replace the key that signs what this machine writes", async () => (await import("./key.ts")).keyRotate),
    own("key show", "Print the public half of a key file", async () => (await import("./key.ts")).keyShow),
  ],
  "Trying it:": [
    own(
      "completion",
      "Print the completion of commands and options for a shell",
      async () => (await import("./completion.ts")).completionCommand,
    ),
    own(
      "sandbox",
      "Run Neon's and Atlas's APIs on loopback, with databases behind them",
      async () => (await import("./sandbox.ts")).sandboxCommand,
    ),
    own("demo", "Show it all on a temporary shop, in less than a minute", async () => (await import("./demo.ts")).demoCommand),
  ],
};

export const COMMANDS: readonly CommandEntry[] = Object.entries(GROUPS).flatMap(([group, entries]) =>
  entries.map((entry) => ({ ...entry, group })),
);
