// The way back of a cut-over: the former value is set again, and the application made to read it. The end of a failed cut-over takes it,
// so does the clean-up after one whose process died, and `cutover --back` takes it on demand.
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { CutOverTarget } from "../../ports/cutover.ts";
import { silentProgress } from "../../ports/progress.ts";
import type { Maker, Resource, Undone } from "../../ports/resource.ts";
import { jobsSince } from "../../repository/journals.ts";
import { seal } from "../../seal/seal.ts";
import { unseal } from "../../seal/unseal.ts";
import type { Context, Source, Watch } from "../context.ts";
import { makerOf } from "../jobs/maker.ts";
import { awaitHealth, healthInWords } from "./health.ts";

/** A change of one place, as the journal holds it. The former value is sealed, and only proofs tell which value is which. */
export interface Change {
  readonly target: CutOverTarget;
  readonly source: string;
  readonly former: string;
  readonly value: string;
  /** The deployment was ordered: the application may have read the new value. */
  readonly deployed: boolean;
}

const proofOf = (maker: Maker, target: string, value: string): string => maker.prove("cut-over", target, value);

export async function changeResource(context: Context, maker: Maker, change: Change): Promise<Resource> {
  const { target, source, former, value, deployed } = change;
  return {
    kind: "cut-over",
    locator: {
      source,
      name: target.name,
      before: proofOf(maker, target.name, former),
      after: proofOf(maker, target.name, value),
      deployed: String(deployed),
      sealed: await sealed(context, former),
      sealedAfter: await sealed(context, value),
    },
  };
}

/** Sets the former value and makes the application read it. Returns a sentence on how it stands. */
export async function goBack(
  { clock }: Context,
  source: Source,
  { target, former, deployed }: Pick<Change, "target" | "former" | "deployed">,
  signal: AbortSignal,
): Promise<string> {
  const cutOver = await target.cutOver();
  await cutOver.set(former, { signal });
  if (deployed) await cutOver.deploy?.({ signal });
  const what = `${target.variable} at ${target.name} is again what it was`;
  if (source.health === undefined) return `${what}; whether the application is up is not known`;
  const { ok, said } = await awaitHealth(source.health, clock, { signal, progress: silentProgress });
  return ok ? `${what}, and the application is up` : `${what}, but ${healthInWords(source.health)} ${said}`;
}

/** Clean-up after a cut-over whose process died: it goes back. */
export async function undoCutOver(
  context: Context,
  { source = "", name = "", before = "", after = "", deployed = "", sealed: bytes = "" }: Readonly<Record<string, string>>,
  maker: Maker,
  say: (sentence: string) => void,
): Promise<Undone> {
  const target = context.cutOvers?.get(name);
  const found = context.sources.get(source);
  if (target === undefined || found === undefined) return "elsewhere";
  const hint = `look at ${target.variable} at ${name}; \`lifeboat cutover ${source} --to NAME --yes ${source}\` sets it`;
  // An old journal that was put back must not point the application anywhere.
  if (!maker.unended)
    throw new LifeboatError("CUTOVER_REFUSED", `whether job ${maker.jobId} ended is not known on this machine: nothing is changed`, {
      hint,
    });
  const { value } = await (await target.cutOver()).read();
  const present = value === undefined ? undefined : proofOf(maker, name, value);
  if (present !== undefined && present !== before && present !== after)
    throw new LifeboatError("CUTOVER_REFUSED", `${target.variable} at ${name} was changed since; it is left as it is`, { hint });
  if (present === before && deployed !== "true") return "absent";
  const kept = target.previous?.read();
  const former = kept !== undefined && proofOf(maker, name, kept) === before ? kept : await opened(context, bytes);
  if (proofOf(maker, name, former) !== before)
    throw new LifeboatError("CUTOVER_REFUSED", `the value to go back to at ${name} is not the one that was there`, { hint });
  say(await goBack(context, found, { target, former, deployed: deployed === "true" }, AbortSignal.timeout(BACK_MS)));
  return "removed";
}

/** What the last cut-over of the source did at one place. */
export interface LastChange {
  readonly target: CutOverTarget;
  readonly before: string;
  readonly after: string;
  /** Whether the value is the one that the cut-over set, the one before it, or another. */
  stateOf(value: string): "before" | "after" | "other";
}

/** How far back a cut-over is looked for. */
const LOOK_BACK_MS = 400 * 86_400_000;

/** Reads what the last successful cut-over of the source changed at these places. CUTOVER_UNKNOWN, CUTOVER_REFUSED, KEY_MISSING. */
export async function lastCutOver(
  context: Context,
  source: Source,
  targets: readonly CutOverTarget[],
  { signal }: Pick<Watch, "signal">,
): Promise<{ readonly job: string; readonly changes: readonly LastChange[] }> {
  const { repository, clock } = context;
  for await (const { id: job, verb, state, source: of, resources } of jobsSince(
    repository,
    new Date(clock.now().getTime() - LOOK_BACK_MS),
    signal,
  )) {
    if (verb !== "cutover" || state !== "done" || of !== source.name) continue;
    const maker = makerOf(() => repository, job);
    const changes: LastChange[] = [];
    for (const target of targets) {
      const locator = resources.find(({ kind, locator: { name } }) => kind === "cut-over" && name === target.name)?.locator;
      if (locator === undefined) continue;
      const [before, after] = [await opened(context, locator.sealed ?? ""), await opened(context, locator.sealedAfter ?? "")];
      if (proofOf(maker, target.name, before) !== locator.before || proofOf(maker, target.name, after) !== locator.after)
        throw new LifeboatError("CUTOVER_REFUSED", `the values that job ${job} stored for ${target.name} are not those that it proved`, {
          hint: `say where the application is pointed: \`lifeboat cutover ${source.name} --to NAME\``,
        });
      changes.push({
        target,
        before,
        after,
        stateOf: (value) => (value === before ? "before" : value === after ? "after" : "other"),
      });
    }
    if (changes.length > 0) return { job, changes };
  }
  throw new LifeboatError("CUTOVER_UNKNOWN", `the journals hold no cut-over of ${source.name} that could be taken back`, {
    hint: `say where the application is pointed: \`lifeboat cutover ${source.name} --to NAME\``,
  });
}

const BACK_MS = 40 * 60_000;

async function sealed({ sealKey }: Context, value: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of seal(once(Buffer.from(value)), sealKey).bytes) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks).toString("base64");
}

async function opened({ openKey }: Context, text: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of unseal(once(Buffer.from(text, "base64")), await openKey())) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Goes back from all changes, the newest first. Returns sentences; one that could not be made is left to the journal. */
export async function goBackFrom(
  context: Context,
  source: Source,
  changes: readonly Change[],
  settle: (change: Change) => Promise<void>,
): Promise<string[]> {
  const says: string[] = [];
  for (const change of [...changes].reverse()) {
    try {
      says.push(await goBack(context, source, change, AbortSignal.timeout(BACK_MS)));
      await settle(change);
    } catch (error) {
      says.push(`${change.target.name} could not be set back: ${asLifeboatError(error).message}; \`lifeboat jobs recover\` tries again`);
    }
  }
  return says;
}
