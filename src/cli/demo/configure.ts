// What a user adds to the configuration that `init` wrote: objectives and checks; and folders, so that all files are in one place.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseDocument } from "yaml";
import { CHECKS } from "./shop.ts";

/** Completes `lifeboat.yaml` in the folder. Returns the lines that a user would have typed. */
export async function completeConfiguration(
  folder: string,
  source: string,
  objectives: Readonly<Record<string, string>>,
  isolation: "required" | "none",
): Promise<string> {
  const file = join(folder, "lifeboat.yaml");
  const document = parseDocument(await readFile(file, "utf8"));
  const flow = (value: unknown) => document.createNode(value, { flow: true });
  const checks = document.createNode(CHECKS.map(flow));
  document.setIn(["sources", source, "objectives"], flow(objectives));
  document.setIn(["sources", source, "checks"], checks);
  document.set("tools", { spoolDirectory: "work", stateDirectory: "work" });
  document.set("scratch", { directory: ".", ...(isolation === "none" ? { isolation } : {}) });
  const text = document.toString({ lineWidth: 0 });
  await writeFile(file, text);
  const lines = text.split("\n");
  const begin = lines.findIndex((line) => line.trimStart().startsWith("objectives:"));
  const shown = lines.slice(begin, begin + 2 + CHECKS.length);
  return shown.join("\n");
}

interface Hosted {
  readonly neon: { readonly projectId: string; readonly apiHost: string; readonly branch: string };
  readonly atlas: {
    readonly groupId: string;
    readonly cluster: string;
    readonly apiHost: string;
    readonly clientId: string;
    readonly user: string;
  };
  readonly orders: number;
}

/** Writes the configuration of the shop at two providers into a folder of its own, sealed for the same key. */
export async function configureHosted(around: string, { neon, atlas, orders }: Hosted): Promise<{ folder: string; shown: string }> {
  const folder = join(around, "hosted");
  const first = parseDocument(await readFile(join(around, "lifeboat.yaml"), "utf8"));
  const recipients = JSON.stringify(first.getIn(["repository", "encryption", "recipients"]));
  const shown = `sources:
  web:
    provider: neon
    projectId: ${neon.projectId}
    apiHost: ${neon.apiHost}
    branch: ${neon.branch}
    policy: standard
    checks:
      - { table: orders, rows: { min: ${orders} } }
  reviews:
    provider: atlas
    groupId: ${atlas.groupId}
    cluster: ${atlas.cluster}
    apiHost: ${atlas.apiHost}
    clientId: ${atlas.clientId}
    user: ${atlas.user}
    database: reviews
    policy: standard
    checks:
      - { collection: carts, rows: { min: 1 } }
policies:
  standard:
    window: 7d
    snapshots:
      - { name: "backup-{date}", cron: "0 0 * * *", keep: 30d }`;
  const rest = `version: 1
repository:
  url: file://${resolve(folder, "backups")}
  encryption: { recipients: ${recipients}, identityFile: ../lifeboat-identity.txt }
  signing: { keyFile: ../lifeboat-writer.pem }
tools: { spoolDirectory: ../work, stateDirectory: ../work }
`;
  await mkdir(folder, { mode: 0o700 });
  await writeFile(join(folder, "lifeboat.yaml"), `${rest}${shown}\n`);
  return { folder, shown };
}
