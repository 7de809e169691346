// Every command: name, summary, and where to load it from when it is used. Help and the documentation list them in this order.
import type { CommandDefinition } from "../command.ts";

export interface CommandEntry {
  /** As typed; two words for a command of a command: `key new`. */
  readonly name: string;
  readonly group: string;
  readonly summary: string;
  load(): Promise<CommandDefinition>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "init",
    group: "Setting up:",
    summary: "Write a configuration, make the key and the repository",
    load: async () => (await import("./init.ts")).initCommand,
  },
  {
    name: "check",
    group: "Setting up:",
    summary: "Try out configuration, repository, key, tools and sources",
    load: async () => (await import("./check.ts")).checkCommand,
  },
  {
    name: "plan",
    group: "Setting up:",
    summary: "Say what differs between the policy and the provider's settings",
    load: async () => (await import("./apply.ts")).planCommand,
  },
  {
    name: "apply",
    group: "Setting up:",
    summary: "Move the provider's settings towards the policy",
    load: async () => (await import("./apply.ts")).applyCommand,
  },
  {
    name: "status",
    group: "Watching:",
    summary: "Say whether each source is protected right now",
    load: async () => (await import("./status.ts")).statusCommand,
  },
  {
    name: "list",
    group: "Watching:",
    summary: "List every restore point",
    load: async () => (await import("./list.ts")).listCommand,
  },
  {
    name: "show",
    group: "Watching:",
    summary: "Show a restore point: what it holds and how to open it by hand",
    load: async () => (await import("./list.ts")).showCommand,
  },
  {
    name: "backup",
    group: "Protecting:",
    summary: "Back up a source: one snapshot, sealed, fingerprinted",
    load: async () => (await import("./backup.ts")).backupCommand,
  },
  {
    name: "archive",
    group: "Protecting:",
    summary: "Store the log of a PostgreSQL or MongoDB as it is written, for point-in-time recovery",
    load: async () => (await import("./archive.ts")).archiveCommand,
  },
  {
    name: "verify",
    group: "Protecting:",
    summary: "Read every stored byte of a backup and compare it with its manifest",
    load: async () => (await import("./verify.ts")).verifyCommand,
  },
  {
    name: "drill",
    group: "Protecting:",
    summary: "Prove a backup: timed restore into scratch, checked and filed",
    load: async () => (await import("./drill.ts")).drillCommand,
  },
  {
    name: "export",
    group: "Protecting:",
    summary: "Copy a provider's snapshot to a bucket",
    load: async () => (await import("./export.ts")).exportCommand,
  },
  {
    name: "restore",
    group: "Recovering:",
    summary: "Restore into a database, proven before it gets its name",
    load: async () => (await import("./restore.ts")).restoreCommand,
  },
  {
    name: "recover",
    group: "Recovering:",
    summary: "Restore every source to one instant, beside production",
    load: async () => (await import("./recover.ts")).recoverCommand,
  },
  {
    name: "promote",
    group: "Recovering:",
    summary: "Make a restored branch the production branch",
    load: async () => (await import("./promote.ts")).promoteCommand,
  },
  {
    name: "accept",
    group: "Recovering:",
    summary: "Say that a restore is good: what it replaced may go, 7 days later",
    load: async () => (await import("./promote.ts")).acceptCommand,
  },
  {
    name: "expire",
    group: "Keeping:",
    summary: "Apply the retention policy, with a reason for each decision",
    load: async () => (await import("./expire.ts")).expireCommand,
  },
  {
    name: "hold",
    group: "Keeping:",
    summary: "Exempt a restore point from expiry",
    load: async () => (await import("./hold.ts")).holdCommand,
  },
  {
    name: "release",
    group: "Keeping:",
    summary: "End a hold",
    load: async () => (await import("./hold.ts")).releaseCommand,
  },
  {
    name: "acknowledge",
    group: "Keeping:",
    summary: "Say that what status misses is lost for good",
    load: async () => (await import("./acknowledge.ts")).acknowledgeCommand,
  },
  {
    name: "jobs",
    group: "Keeping:",
    summary: "List the newest jobs",
    load: async () => (await import("./jobs.ts")).jobsCommand,
  },
  {
    name: "jobs recover",
    group: "Keeping:",
    summary: "Clean up after jobs whose process died",
    load: async () => (await import("./jobs.ts")).jobsRecover,
  },
  {
    name: "key new",
    group: "Keys:",
    summary: "Make the identity that opens backups, and print its recipient",
    load: async () => (await import("./key.ts")).keyNew,
  },
  {
    name: "key writer",
    group: "Keys:",
    summary: "Make the key that signs what this machine writes",
    load: async () => (await import("./key.ts")).keyWriter,
  },
  {
    name: "key rotate",
    group: "Keys:",
    summary: "Replace the key that signs what this machine writes",
    load: async () => (await import("./key.ts")).keyRotate,
  },
  {
    name: "key show",
    group: "Keys:",
    summary: "Print the public half of a key file",
    load: async () => (await import("./key.ts")).keyShow,
  },
  {
    name: "sandbox",
    group: "Trying it:",
    summary: "Run Neon's and Atlas's APIs on loopback, with databases behind them",
    load: async () => (await import("./sandbox.ts")).sandboxCommand,
  },
  {
    name: "demo",
    group: "Trying it:",
    summary: "Show it all on a throw-away shop, in less than a minute",
    load: async () => (await import("./demo.ts")).demoCommand,
  },
];
