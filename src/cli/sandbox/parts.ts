// The emulators that `lifeboat sandbox` runs: how each is started, and what a user pastes to work with it.
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PlanName } from "@lifeboat/sandbox";
import { LifeboatError } from "../../core/errors.ts";
import { PROGRAM, type Sandbox } from "./load.ts";

export const PARTS = ["neon", "atlas"] as const;
export type PartName = (typeof PARTS)[number];

export interface PartOptions {
  readonly plan: PlanName;
  readonly port: number;
  readonly atlasPort: number;
  /** How many times as fast as the real service Atlas works. */
  readonly speed: number;
  readonly directory?: string | undefined;
  /** Folder of PostgreSQL's programs. */
  readonly bin?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Is told what a download of PostgreSQL does. */
  readonly say: (sentence: string) => void;
  readonly signal: AbortSignal;
}

export interface RunningPart {
  /** As `--json` prints it. */
  readonly facts: Readonly<Record<string, string>>;
  readonly text: string;
  close(): Promise<void>;
}

/** Durations of the real service on an ordinary day. */
const NEON_DELAYS = { schedulingMs: 100, runningMs: 300, coldStartMs: 200 };

export const STARTERS: Readonly<Record<PartName, (sandbox: Sandbox, options: PartOptions) => Promise<RunningPart>>> = {
  async neon({ findPrograms, startNeonSandbox }, { plan, port, directory, bin, env, say, signal }) {
    const programs = await findPrograms({ configured: bin, env, say, signal });
    const folder = directory ?? join(tmpdir(), `lifeboat-sandbox-${randomBytes(5).toString("hex")}`);
    const fleet = { directory: folder, bin: programs.directory, signal };
    const sandbox = await listening(port, () => startNeonSandbox({ plan, port, delays: NEON_DELAYS, fleet }));
    const { apiHost, apiKey, projectId, branch, url } = sandbox;
    const text = describe(`Neon's API with the limits of the plan ${plan}, and its branch ${branch}`, {
      look: {
        env: {},
        commands: [
          `${programs.downloaded ? join(programs.directory, "psql") : "psql"} '${url}'`,
          `NEON_API_HOST=${apiHost} NEON_API_KEY=${apiKey} npx neon branches list --project-id ${projectId} --no-analytics`,
        ],
      },
      protect: {
        env: {
          NEON_API_HOST: apiHost,
          NEON_API_KEY: apiKey,
          NEON_PROJECT_ID: projectId,
          ...(programs.downloaded ? { LIFEBOAT_POSTGRES_BIN: programs.directory } : {}),
        },
        commands: protecting("neon", "web"),
      },
    });
    return { facts: { apiHost, apiKey, projectId, branch, url }, text, close: () => sandbox.close() };
  },
  async atlas({ startAtlasSandbox }, { atlasPort, speed }) {
    const sandbox = await listening(atlasPort, () => startAtlasSandbox({ port: atlasPort, speed }));
    const { apiHost, clientId, clientSecret, publicKey, privateKey, groupId, cluster, url, user, password } = sandbox;
    const text = describe(`Atlas's Administration API, ${speed} times as fast as the real one, and its cluster ${cluster}`, {
      look: {
        env: {
          MONGODB_ATLAS_OPS_MANAGER_URL: `${apiHost}/`,
          MONGODB_ATLAS_PROJECT_ID: groupId,
          MONGODB_ATLAS_PUBLIC_API_KEY: publicKey,
          MONGODB_ATLAS_PRIVATE_API_KEY: privateKey,
        },
        commands: [`mongosh '${url}'`, "atlas clusters list"],
      },
      protect: {
        env: {
          ATLAS_API_HOST: apiHost,
          ATLAS_GROUP_ID: groupId,
          ATLAS_CLUSTER: cluster,
          ATLAS_CLIENT_ID: clientId,
          ATLAS_CLIENT_SECRET: clientSecret,
          ATLAS_USER: user,
          ATLAS_PASSWORD: password,
        },
        commands: protecting("atlas", "reviews"),
      },
    });
    const facts = { apiHost, clientId, clientSecret, publicKey, privateKey, groupId, cluster, url, user, password };
    return { facts, text, close: () => sandbox.close() };
  },
};

async function listening<T>(port: number, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "ERR_SOCKET_BAD_PORT") throw error;
    throw new LifeboatError("USAGE", `the API cannot listen on port ${port} (${code})`, {
      cause: error,
      hint: "name another port, or none for any free one",
    });
  }
}

/** In a folder of its own: a configuration may be there already. */
const protecting = (provider: PartName, source: string): string[] => [
  `mkdir sandbox-${provider} && cd sandbox-${provider}`,
  `${PROGRAM} init --provider ${provider} --source ${source} --repository backups`,
  `${PROGRAM} apply --yes ${source}`,
  `${PROGRAM} backup ${source}`,
  `${PROGRAM} check`,
];

interface Pasted {
  readonly env: Readonly<Record<string, string>>;
  readonly commands: readonly string[];
}

/** What a user pastes into another shell, as it is. */
function describe(title: string, { look, protect }: { readonly look: Pasted; readonly protect: Pasted }): string {
  const lines = ({ env, commands }: Pasted): string[] =>
    [...Object.entries(env).map(([name, value]) => `export ${name}=${value}`), ...commands].map((line) => `  ${line}`);
  return [title, "", "Look at it:", ...lines(look), "", "Protect it with Lifeboat:", ...lines(protect)].join("\n");
}
