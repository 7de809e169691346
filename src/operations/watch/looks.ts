// The last look at every source, kept in the catalog of this machine: beats and `status` keep it, `status --max-age` answers with it.
import { formatDuration } from "../../core/duration.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import type { Context } from "../context.ts";
import { healthReasonJson } from "../schemas.ts";
import { sourcesNamed } from "../sources.ts";
import type { SourceJson } from "./status-json.ts";

type ReasonJson = ReturnType<typeof healthReasonJson>;

export interface LooksJson {
  /** When the oldest of them began. */
  readonly at: Date;
  readonly repository: ReasonJson[];
  readonly sources: SourceJson[];
}

/** A name that no source can have. */
const REPOSITORY = "";
const MOST_NAMED = 5;

export const repositoryJson = (reasons: readonly HealthReason[]): ReasonJson[] => reasons.map((one) => healthReasonJson(one, null));

/** Keeps looks that began at one instant. `repository` is undefined where only some sources were looked at. */
export async function keepLooks(
  context: Context,
  looks: Omit<LooksJson, "repository"> & { readonly repository?: ReasonJson[] | undefined },
): Promise<void> {
  const configuration = configurationOf(context);
  if (configuration === undefined) return;
  const { at, repository, sources } = looks;
  const texts = new Map(sources.map((one) => [one.name, JSON.stringify(one)]));
  if (repository !== undefined) texts.set(REPOSITORY, JSON.stringify(repository));
  await context.catalog.keepLooks(configuration, at, texts);
}

/** LOOK_OLD, unless the repository and every source named were looked at no longer ago. */
export async function lastLooks(context: Context, name: string | undefined, maxAgeMs: number): Promise<LooksJson> {
  const now = context.clock.now();
  const wanted = sourcesNamed(context, name).map((source) => source.name);
  const since = new Date(now.getTime() - maxAgeMs);
  const configuration = configurationOf(context);
  const kept = configuration === undefined ? undefined : await context.catalog.looks(configuration, since, now);
  const missing = [REPOSITORY, ...wanted].filter((one) => kept?.has(one) !== true);
  if (kept === undefined || missing.length > 0) throw tooOld(missing, maxAgeMs);
  const looks = [REPOSITORY, ...wanted].flatMap((one) => kept.get(one) ?? []);
  const [repository, ...sources] = looks.map(({ json }) => JSON.parse(json));
  return { at: new Date(Math.min(...looks.map(({ at }) => at.getTime()))), repository, sources };
}

function tooOld(missing: readonly string[], maxAgeMs: number): LifeboatError {
  const names = missing.slice(0, MOST_NAMED).map((one) => (one === REPOSITORY ? "the repository" : one));
  const more = missing.length > MOST_NAMED ? ` and ${missing.length - MOST_NAMED} more` : "";
  const message = `not looked at within the last ${formatDuration(maxAgeMs)}: ${names.join(", ")}${more}`;
  return new LifeboatError("LOOK_OLD", message, { details: { missing: missing.filter((one) => one !== REPOSITORY) } });
}

/** Another version of the program may judge otherwise, too. */
const configurationOf = ({ configuration, lifeboat }: Context): string | undefined => configuration && `${lifeboat} ${configuration}`;
