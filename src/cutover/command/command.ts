// Any command: one reads the value, one sets it, one deploys.
import type { CutOver, CutOverWiring } from "../../ports/cutover.ts";
import { partsOf, TIMEOUTS } from "../http.ts";
import { runCommand } from "../run.ts";

interface Options {
  readonly read?: readonly string[] | undefined;
  readonly set: readonly string[];
  readonly deploy?: readonly string[] | undefined;
  readonly pass: readonly string[];
}

export function makeCutOver({ name, options, variable, timeouts = TIMEOUTS }: CutOverWiring<Options>): CutOver {
  const { read, set, deploy, pass } = options;
  const secrets: string[] = [];
  const env = { CUTOVER_VARIABLE: variable };
  const common = { env, pass, secrets };
  return {
    async read(work) {
      if (read === undefined) return { value: undefined };
      const printed = await runCommand(name, { argv: read, timeoutMs: timeouts.requestMs, ...common }, work);
      const value = printed.replace(/\r?\n$/, "");
      secrets.push(...partsOf(value));
      return { value: value === "" ? undefined : value };
    },
    async set(value, work) {
      secrets.push(...partsOf(value));
      await runCommand(name, { argv: set, stdin: value, timeoutMs: timeouts.deployMs, ...common }, work);
    },
    ...(deploy !== undefined && {
      async deploy(work) {
        await runCommand(name, { argv: deploy, timeoutMs: timeouts.deployMs, ...common }, work);
      },
    }),
  };
}
