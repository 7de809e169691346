// What most commands begin with: the configuration wired into a workshop, and everything closed again at the end.
import { type Composed, compose } from "../compose.ts";
import { LifeboatError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Source, Watch } from "../operations/workshop.ts";
import type { CommandContext } from "./command.ts";
import { readVersion } from "./version.ts";

export async function withWorkshop<T>(
  context: Pick<CommandContext, "config" | "clock" | "env" | "signal" | "progress">,
  run: (workshop: Composed, watch: Watch) => Promise<T>,
): Promise<T> {
  const workshop = await compose(context.config(), {
    clock: context.clock,
    lifeboat: readVersion(),
    env: context.env,
    signal: context.signal,
  });
  try {
    return await run(workshop, { signal: context.signal, progress: context.progress });
  } finally {
    await workshop.close();
  }
}

/** The source of that name; SOURCE_UNKNOWN with the nearest one. */
export function sourceNamed(workshop: Composed, name: string): Source {
  const source = workshop.sources.get(name);
  if (source !== undefined) return source;
  const names = [...workshop.sources.keys()];
  throw new LifeboatError("SOURCE_UNKNOWN", `no source is called "${name}" (there are ${names.join(", ")})${didYouMean(name, names)}`);
}

/** The source named, or all of them. */
export function sourcesNamed(workshop: Composed, name: string | undefined): Source[] {
  return name === undefined ? [...workshop.sources.values()] : [sourceNamed(workshop, name)];
}
