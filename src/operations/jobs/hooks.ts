// Hooks: programs of the configuration that stop and start the services around a swap.
import { LifeboatError } from "../../core/errors.ts";
import { visible } from "../../core/visible.ts";
import type { Context, Source } from "../context.ts";

export type HookName = "stop" | "start";

/** HOOK_FAILED: it ended with another status than 0, or not in time. No hook of that name: nothing is done. */
export async function runHook({ programs }: Context, { name, hooks }: Source, hook: HookName, signal?: AbortSignal): Promise<void> {
  const argv = hooks?.[hook];
  if (argv === undefined || hooks === undefined) return;
  if (programs === undefined) throw new LifeboatError("HOOK_FAILED", `the hook ${hook} of ${name} cannot be run here`);
  const { timeoutMs } = hooks;
  const env = { LIFEBOAT_SOURCE: name, LIFEBOAT_HOOK: hook };
  const { status, signal: by, late, tail } = await programs.run({ argv, env, output: "captured", inherit: "basic", timeoutMs, signal });
  if (status === 0) return;
  const how = late ? `did not end within ${timeoutMs / 1000} s` : `ended with ${by ?? `status ${status}`}`;
  const said = visible(tail.split("\n").at(-1) ?? "").slice(0, 200);
  throw new LifeboatError("HOOK_FAILED", `the hook ${hook} of ${name} ${how}${said === "" ? "" : `: ${said}`}`);
}
