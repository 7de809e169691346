// lifeboat sandbox
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flag, integer, oneOf, path } from "../../config/types.ts";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { ASSUMPTIONS } from "../../sandbox/neon/assumptions.ts";
import { PLANS } from "../../sandbox/neon/limits.ts";
import { findSandboxPrograms } from "../../sandbox/neon/programs.ts";
import { type NeonSandbox, type NeonSandboxOptions, startNeonSandbox } from "../../sandbox/neon/sandbox.ts";
import { defineCommand } from "../command.ts";
import { renderTable } from "../render/table.ts";

/** As they take on a good day. */
const DELAYS = { schedulingMs: 100, runningMs: 300, coldStartMs: 200 };

export const sandboxCommand = defineCommand({
  description:
    "Starts Neon's API on loopback in front of real PostgreSQL clusters with point-in-time recovery, says where it is, and runs until it is told to stop (Ctrl-C). Everything it made is gone then. It needs PostgreSQL's server programs.",
  arguments: {},
  options: {
    plan: { type: oneOf(PLANS), default: "launch", value: "P", help: "Whose limits hold: free, launch or scale" },
    port: { type: integer(), default: 0, value: "N", help: "Port of the API (0: any free one)" },
    directory: { type: path, value: "D", help: "Folder for the clusters; must not exist, and is removed at the end" },
    assumptions: { type: flag, help: "Print what it assumes of the real service, and end" },
  },
  json: true,
  examples: ["lifeboat sandbox", "lifeboat sandbox --plan free --port 8484 --json", "lifeboat sandbox --assumptions"],
  async run({ options, emit, env, signal, progress, stdout }) {
    if (options.assumptions === true) {
      const columns = [{ title: "about" }, { title: "in the sandbox" }, { title: "because" }];
      const rows = ASSUMPTIONS.map(({ about, here, because }) => [about, here, because]);
      emit(ASSUMPTIONS, () => renderTable(columns, rows, { columns: stdout.columns }));
      return EXIT.done;
    }
    progress.step("starting the sandbox");
    const bin = await findSandboxPrograms(env.LIFEBOAT_POSTGRES_BIN || undefined, signal);
    const directory = options.directory ?? join(tmpdir(), `lifeboat-sandbox-${randomBytes(5).toString("hex")}`);
    const { plan = "launch", port = 0 } = options;
    const sandbox = await listening(port, { plan, port, delays: DELAYS, fleet: { directory, bin, signal } });
    try {
      const { apiHost, apiKey, projectId, branch, url } = sandbox;
      emit({ neon: { apiHost, apiKey, projectId, branch, url } }, () => howTo(sandbox, plan));
      if (!signal.aborted) await once(signal, "abort");
    } finally {
      await sandbox.close();
    }
    return EXIT.done;
  },
});

async function listening(port: number, options: NeonSandboxOptions): Promise<NeonSandbox> {
  try {
    return await startNeonSandbox(options);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "ERR_SOCKET_BAD_PORT") throw error;
    throw new LifeboatError("USAGE", `the API cannot listen on port ${port} (${code})`, {
      cause: error,
      hint: "name another port, or none for any free one",
    });
  }
}

function howTo({ apiHost, apiKey, projectId, branch, url }: NeonSandbox, plan: string): string {
  return `Neon sandbox, plan ${plan}, until you press Ctrl-C
  API      ${apiHost}
  key      ${apiKey}
  project  ${projectId}, branch ${branch}
  url      ${url}

Look at it:
  psql '${url}'
  export NEON_API_HOST=${apiHost} NEON_API_KEY=${apiKey}
  npx neon branches list --project-id ${projectId} --no-analytics

Protect it, in lifeboat.yaml:
  sources:
    shop:
      provider: neon
      apiHost: ${apiHost}
      projectId: ${projectId}
      apiKey: \${NEON_API_KEY}
      branch: ${branch}
      policy: standard

What it assumes of the real service: lifeboat sandbox --assumptions`;
}
