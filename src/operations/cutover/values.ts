// Which value each place gets: one that names another database of the source, or the one that it had before the last cut-over.
import { pointedAt } from "../../core/cutover-address.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { Connection } from "../../ports/connection.ts";
import type { CutOverTarget } from "../../ports/cutover.ts";
import type { Context, Source, Watch } from "../context.ts";
import { lastCutOver } from "./back.ts";

export interface CutOverRequest {
  /** A database on the source's server, or a place at its provider. */
  readonly to?: string | undefined;
  /** The whole connection string instead. */
  readonly url?: string | undefined;
  /** Where the application was pointed before the last cut-over, instead. */
  readonly back?: boolean | undefined;
  /** Only these cut-overs of the configuration. Default: all of the source. */
  readonly only?: readonly string[] | undefined;
  /** The source's name, as confirmation. */
  readonly yes?: string | undefined;
  readonly planDigest?: string | undefined;
}

/** One place, its present value, and the one that it gets. Undefined: it has that already. */
export interface Step {
  readonly target: CutOverTarget;
  readonly former: string;
  readonly value: string | undefined;
}

/** Where the application is to be pointed. */
export interface Wanted {
  readonly label: string;
  readonly steps: readonly Step[];
  /** Why it would not be done, the weightiest first. */
  readonly refusals: readonly LifeboatError[];
}

/** Each place with the value that names the destination. */
export async function newSteps(
  _context: Context,
  source: Source,
  targets: readonly CutOverTarget[],
  request: CutOverRequest,
  watch: Watch,
): Promise<Wanted> {
  const own = await source.provider.connection(watch);
  const { label, url } = await destinationOf(source, own, request, watch);
  const refusals: LifeboatError[] = [];
  const steps: Step[] = [];
  for (const target of targets) {
    const read = await (await target.cutOver()).read(watch);
    const former = read.value ?? target.previous?.read();
    if (former === undefined) {
      refusals.push(
        new LifeboatError("CUTOVER_REFUSED", `${target.name} does not reveal ${target.variable}, so nothing could be set back`, {
          hint: `set cutover.${target.name}.previous to the present value, such as \${${target.variable}}`,
        }),
      );
      continue;
    }
    const value = request.url ?? pointedAt(former, own.url, url);
    if (value === undefined) refusals.push(notOfSource(source, target, own));
    else steps.push({ target, former, value: value === null || value === former ? undefined : value });
  }
  return { label, steps, refusals };
}

/** Each place with the value that it had before the last cut-over. */
export async function backSteps(
  context: Context,
  source: Source,
  targets: readonly CutOverTarget[],
  { to, url }: CutOverRequest,
  watch: Watch,
): Promise<Wanted> {
  if (to !== undefined || url !== undefined)
    throw new LifeboatError("USAGE", "--back takes the value from before the last cut-over: --to and --url-file have no meaning beside it");
  const { job, changes } = await lastCutOver(context, source, targets, watch);
  const refusals: LifeboatError[] = [];
  const steps: Step[] = [];
  for (const { target, before, after, stateOf } of changes) {
    const { value: present } = await (await target.cutOver()).read(watch);
    const state = present === undefined ? "after" : stateOf(present);
    if (state !== "other") steps.push({ target, former: present ?? after, value: state === "before" ? undefined : before });
    else
      refusals.push(
        new LifeboatError("CUTOVER_REFUSED", `${target.variable} at ${target.name} was changed since job ${job}; it is left as it is`, {
          hint: `say where the application is pointed: \`lifeboat cutover ${source.name} --to NAME\``,
        }),
      );
  }
  const labels = new Set(changes.map(({ before }) => source.engine.resolveTarget(undefined, before).connection.label));
  return { label: [...labels].join(", "), steps, refusals };
}

export function targetsOf({ cutOvers }: Context, source: Source, only: readonly string[] | undefined): CutOverTarget[] {
  const own = [...(cutOvers?.values() ?? [])].filter((target) => target.source === source.name);
  const unknown = only?.find((name) => !own.some((target) => target.name === name));
  if (unknown !== undefined || own.length === 0) {
    const known = own.map(({ name }) => name).join(", ") || "none";
    throw new LifeboatError(
      "CUTOVER_UNKNOWN",
      `${source.name} has no cut-over${unknown === undefined ? "" : ` called ${unknown}`} (it has: ${known})`,
    );
  }
  return only === undefined ? own : own.filter(({ name }) => only.includes(name));
}

/** RESTORE_TARGET_INVALID for a database that is not there or empty. */
async function destinationOf(source: Source, own: Connection, { to, url }: CutOverRequest, watch: Watch): Promise<Connection> {
  if ((to === undefined) === (url === undefined))
    throw new LifeboatError("USAGE", "say where the application is pointed: the name of a database or place, or a connection string", {
      hint: "add --to NAME, --url-file FILE or --back",
    });
  const { engine } = source;
  const connection = url !== undefined ? engine.resolveTarget(undefined, url).connection : await placeNamed(source, own, to ?? "", watch);
  const { exists, occupants } = await engine.stateOf(engine.resolveTarget(undefined, connection.url), watch);
  if (exists && occupants.length > 0) return connection;
  throw new LifeboatError("RESTORE_TARGET_INVALID", `${connection.label} ${exists ? "holds nothing" : "does not exist"}`, {
    hint: `give --to a database that holds the restored data of ${source.name}`,
  });
}

async function placeNamed(source: Source, own: Connection, name: string, watch: Watch): Promise<Connection> {
  const { engine, provider } = source;
  if (source.managed !== true || provider.history === undefined) return engine.resolveTarget(own, name).connection;
  const found = await provider.history.find(name, watch);
  if (found === undefined || found.form === "snapshot")
    throw new LifeboatError("BRANCH_UNKNOWN", `${source.name} has no ${provider.history.place} named ${name}`);
  return found.production ? own : provider.history.connection(found.id, watch);
}

const notOfSource = (source: Source, target: CutOverTarget, own: Connection): LifeboatError =>
  new LifeboatError(
    "CUTOVER_REFUSED",
    `${target.variable} at ${target.name} does not point at ${own.label}, the database of ${source.name}`,
    {
      hint: "correct the entry, or give the whole connection string with --url-file FILE",
    },
  );
