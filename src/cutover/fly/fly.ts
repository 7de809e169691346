// Fly shows digests of secrets only, so the value to go back to is the configuration's `previous`. A value goes through standard input.
import { LifeboatError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import { visible } from "../../core/visible.ts";
import type { Work } from "../../ports/connection.ts";
import type { CutOver, CutOverWiring } from "../../ports/cutover.ts";
import { listOf, partsOf, TIMEOUTS, textOf } from "../http.ts";
import { runCommand } from "../run.ts";

interface Options {
  readonly app: string;
  readonly token: Secret;
  readonly program: string;
}

export function makeCutOver({ name, options, variable, timeouts = TIMEOUTS }: CutOverWiring<Options>): CutOver {
  const token = options.token.read();
  const secrets = [token];
  const run = (args: readonly string[], work: Work | undefined, stdin?: string, timeoutMs = timeouts.requestMs) =>
    runCommand(
      name,
      { argv: [options.program, ...args, "--app", options.app], stdin, env: { FLY_API_TOKEN: token }, timeoutMs, secrets },
      work,
    );
  return {
    async read(work) {
      const listed = listOf(parsed(await run(["secrets", "list", "--json"], work)));
      const isThere = listed.some((one) => (textOf(one.Name) ?? textOf(one.name)) === variable);
      if (!isThere) throw new LifeboatError("CUTOVER_REFUSED", `cut-over "${visible(name)}": the app has no secret ${variable}`);
      return { value: undefined };
    },
    async set(value, work) {
      secrets.push(...partsOf(value));
      if (value.includes('"') || value.includes("\n"))
        throw new LifeboatError("CUTOVER_REFUSED", `cut-over "${visible(name)}": the value holds a quote or a line break`);
      await run(["secrets", "import", "--stage"], work, `${variable}="${value}"\n`);
    },
    async deploy(work) {
      await run(["secrets", "deploy"], work, undefined, timeouts.deployMs);
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
