// The sandboxes that the command runs: how each is started, what it says of itself, and how one looks at it.
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PlanName } from "@lifeboat/sandbox";
import { LifeboatError } from "../../core/errors.ts";
import type { Sandbox } from "./load.ts";

export const PARTS = ["neon", "atlas"] as const;
export type PartName = (typeof PARTS)[number];

export interface PartOptions {
  readonly plan: PlanName;
  readonly port: number;
  readonly atlasPort: number;
  /** How many times as fast as the real service Atlas's work goes on. */
  readonly speed: number;
  readonly directory?: string | undefined;
  /** Folder of PostgreSQL's programs. */
  readonly bin?: string | undefined;
  readonly signal: AbortSignal;
}

export interface RunningPart {
  /** As the JSON line has it. */
  readonly facts: Readonly<Record<string, string>>;
  readonly howTo: string;
  close(): Promise<void>;
}

/** As they take on a good day. */
const NEON_DELAYS = { schedulingMs: 100, runningMs: 300, coldStartMs: 200 };

export const STARTERS: Readonly<Record<PartName, (sandbox: Sandbox, options: PartOptions) => Promise<RunningPart>>> = {
  async neon({ findSandboxPrograms, startNeonSandbox }, { plan, port, directory, bin, signal }) {
    const programs = await findSandboxPrograms(bin, signal);
    const folder = directory ?? join(tmpdir(), `lifeboat-sandbox-${randomBytes(5).toString("hex")}`);
    const fleet = { directory: folder, bin: programs, signal };
    const sandbox = await listening(port, () => startNeonSandbox({ plan, port, delays: NEON_DELAYS, fleet }));
    const { apiHost, apiKey, projectId, branch, url } = sandbox;
    const facts = { apiHost, apiKey, projectId, branch, url };
    return { facts, howTo: neonHowTo(facts, plan), close: () => sandbox.close() };
  },
  async atlas({ startAtlasSandbox }, { atlasPort, speed }) {
    const sandbox = await listening(atlasPort, () => startAtlasSandbox({ port: atlasPort, speed }));
    const { apiHost, clientId, clientSecret, publicKey, privateKey, groupId, cluster, url, user, password } = sandbox;
    const facts = { apiHost, clientId, clientSecret, publicKey, privateKey, groupId, cluster, url, user, password };
    return { facts, howTo: atlasHowTo(facts, speed), close: () => sandbox.close() };
  },
};

async function listening<T>(port: number, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "ERR_SOCKET_BAD_PORT") throw error;
    throw new LifeboatError("USAGE", `the API cannot listen on port ${port} (${code})`, {
      cause: error,
      hint: "name another port, or none for any free one",
    });
  }
}

function neonHowTo(
  { apiHost, apiKey, projectId, branch, url }: Record<"apiHost" | "apiKey" | "projectId" | "branch" | "url", string>,
  plan: string,
): string {
  return `Neon, plan ${plan}
  API      ${apiHost}
  key      ${apiKey}
  project  ${projectId}, branch ${branch}
  url      ${url}

Look at it:
  psql '${url}'
  export NEON_API_HOST=${apiHost} NEON_API_KEY=${apiKey} NEON_PROJECT_ID=${projectId}
  npx neon branches list --project-id ${projectId} --no-analytics

Protect it, in lifeboat.yaml:
  sources:
    shop:
      provider: neon
      apiHost: ${apiHost}
      projectId: ${projectId}
      apiKey: \${NEON_API_KEY}
      branch: ${branch}
      policy: standard`;
}

type AtlasFacts = Record<
  "apiHost" | "clientId" | "clientSecret" | "publicKey" | "privateKey" | "groupId" | "cluster" | "url" | "user" | "password",
  string
>;

function atlasHowTo(facts: AtlasFacts, speed: number): string {
  const { apiHost, clientId, clientSecret, publicKey, privateKey, groupId, cluster, url, user, password } = facts;
  return `MongoDB Atlas, ${speed} times as fast as the real one
  API      ${apiHost}
  account  ${clientId}
  secret   ${clientSecret}
  API key  ${publicKey}, private ${privateKey}
  project  ${groupId}, cluster ${cluster}
  url      ${url}

Look at it:
  mongosh '${url}'
  export MONGODB_ATLAS_OPS_MANAGER_URL=${apiHost}/ MONGODB_ATLAS_PROJECT_ID=${groupId}
  export MONGODB_ATLAS_PUBLIC_API_KEY=${publicKey} MONGODB_ATLAS_PRIVATE_API_KEY=${privateKey}
  atlas clusters list

Protect it, with \`lifeboat init --provider atlas\` or in lifeboat.yaml:
  export ATLAS_API_HOST=${apiHost} ATLAS_GROUP_ID=${groupId} ATLAS_CLUSTER=${cluster}
  export ATLAS_CLIENT_ID=${clientId} ATLAS_CLIENT_SECRET=${clientSecret}
  export ATLAS_USER=${user} ATLAS_PASSWORD=${password}

  sources:
    sessions:
      provider: atlas
      groupId: \${ATLAS_GROUP_ID}
      cluster: \${ATLAS_CLUSTER}
      policy: standard`;
}
