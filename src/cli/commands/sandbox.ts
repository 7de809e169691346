// lifeboat sandbox
import { once } from "node:events";
import type { PlanName } from "@lifeboat/sandbox";
import { EXIT } from "../../core/errors.ts";
import { flag, integer, oneOf, ownPort, path } from "../../core/option-types.ts";
import { JobProgress } from "../../operations/jobs/events.ts";
import { defineCommand } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { loadSandbox } from "../sandbox/load.ts";
import { PARTS, type PartName, type RunningPart, STARTERS } from "../sandbox/parts.ts";

const PLANS = ["free", "launch", "scale"] as const satisfies readonly PlanName[];

export const sandboxCommand = defineCommand({
  description:
    "Starts Neon's API on loopback in front of real PostgreSQL clusters with point-in-time recovery. Starts Atlas's Administration API in front of servers that speak MongoDB's protocol and keep their history. Prints what to paste, and runs until Ctrl-C, which removes all of it. Where PostgreSQL's programs are missing, Debian and Ubuntu machines download them into a private folder.",
  arguments: {},
  options: {
    only: { type: oneOf(PARTS), value: "NAME", help: "Start this emulator alone: neon or atlas" },
    plan: { type: oneOf(PLANS), default: "launch", value: "P", help: "Plan of Neon whose limits apply: free, launch or scale" },
    port: { type: ownPort, default: 0, value: "N", help: "Port of Neon's API (0: any free one)" },
    atlasPort: { type: ownPort, default: 0, value: "N", help: "Port of Atlas's API (0: any free one)" },
    speed: {
      type: integer(1),
      default: 100,
      value: "N",
      help: "How many times as fast as the real Atlas it works; a new cluster takes 8 minutes there",
    },
    directory: { type: path, value: "D", help: "Folder for the PostgreSQL clusters; must not exist, and is deleted at the end" },
    assumptions: { type: flag, help: "Print what the emulators assume of the real services, and end" },
  },
  json: true,
  examples: [
    "lifeboat sandbox",
    "lifeboat sandbox --only atlas --speed 500",
    "lifeboat sandbox --plan free --port 8484 --json",
    "lifeboat sandbox --assumptions",
  ],
  async run({ options, emit, env, signal, events, clock, stdout }) {
    const sandbox = await loadSandbox();
    if (options.assumptions === true) {
      const columns = ["of", "about", "in the sandbox", "because"].map((title) => ({ title }));
      const rows = sandbox.ASSUMPTIONS.map(({ of, about, here, because }) => [of, about, here, because]);
      emit(sandbox.ASSUMPTIONS, () => renderTable(columns, rows, { columns: stdout.columns }));
      return EXIT.done;
    }
    const progress = new JobProgress(events, clock);
    progress.step("starting the sandbox");
    const { only, plan = "launch", port = 0, atlasPort = 0, speed = 100, directory } = options;
    const settings = {
      plan,
      port,
      atlasPort,
      speed,
      directory,
      bin: env.LIFEBOAT_POSTGRES_BIN || undefined,
      env,
      say: (sentence: string) => progress.note(sentence),
      signal,
    };
    const running = new Map<PartName, RunningPart>();
    try {
      for (const name of PARTS) if (only === undefined || only === name) running.set(name, await STARTERS[name](sandbox, settings));
      emit(Object.fromEntries([...running].map(([name, { facts }]) => [name, facts])), () =>
        [...[...running.values()].map(({ text }) => text), "It runs until Ctrl-C. Paste into another shell."].join("\n\n"),
      );
      if (!signal.aborted) await once(signal, "abort");
    } finally {
      await Promise.all([...running.values()].map((part) => part.close()));
    }
    return EXIT.done;
  },
});
