// What clean-up does about points at a provider that a dead job was making, removing, or setting aside.

import { LifeboatError } from "../../core/errors.ts";
import { type Maker, markOf, type Undone } from "../../ports/resource.ts";
import { thisOwner } from "../../repository/owner.ts";
import { addSnapshotRecord, listSnapshotRecords, removeSnapshotRecord } from "../../repository/snapshots.ts";
import type { Context } from "../context.ts";

type Locator = Readonly<Record<string, string>>;

/** Clocks differ: a point that is this much older than the note about it may still be the job's. */
const SKEW_MS = 300_000;

/** What a point carries where the provider keeps a text with it. */
export const pointMark = (maker: Maker, source: string, name: string): string => markOf(maker, "snapshot", source, name);

/**
 * Refuses what would be there to stay if the job had ended, or is half an act upon production: only this machine's own memory can say
 * that the job began and did not end. A journal cannot, for an old one can be put back.
 */
function requireUnended({ jobId, unended }: Maker, what: string, hint: string): void {
  if (unended) return;
  throw new LifeboatError("PROVIDER_REFUSED", `${what}: whether job ${jobId} ended is not known on this machine, so nothing is done`, {
    hint,
  });
}

/** A point whose record was never written is removed. */
export async function undoSnapshot(
  { sources, repository }: Context,
  { source = "", name = "", form = "", notBefore = "" }: Locator,
  maker: Maker,
): Promise<Undone> {
  const provider = sources.get(source)?.provider;
  if (provider?.snapshots === undefined) return "elsewhere";
  const { snapshots } = provider;
  const records = await listSnapshotRecords(repository, source);
  // By its name: a snapshot that is still being taken does not count as a point yet, and is listed only on request.
  const found = await provider.history?.find(name);
  const listed = await snapshots.list({ known: found === undefined ? [] : [found.id] });
  const made = listed.find((one) => one.form === form && one.name === name);
  if (made === undefined || records.has(made.id)) return "absent";
  requireUnended(maker, `the ${form} ${name} of ${source} is not recorded`, "look at it, and remove it at the provider when it can go");
  const isMarked = !snapshots.marked.includes(made.form) || made.mark === pointMark(maker, source, name);
  if (!isMarked || !(made.createdAt.getTime() >= Date.parse(notBefore) - SKEW_MS))
    throw new LifeboatError(
      "PROVIDER_REFUSED",
      `the ${form} ${name} of ${source} is not what job ${maker.jobId} made; it is left as it is`,
    );
  await removeSnapshotRecord(repository, source, made.id); // its fingerprint, if that was taken
  await snapshots.remove(made);
  return "removed";
}

/** A removal that had begun is ended. */
export async function endSnapshotRemoval(
  { sources, repository }: Context,
  { source = "", id = "", name = "", form: word = "" }: Locator,
  maker: Maker,
): Promise<Undone> {
  const provider = sources.get(source)?.provider;
  if (provider?.snapshots === undefined) return "elsewhere";
  const form = word === "snapshot" ? "snapshot" : "branch";
  const there = (await provider.snapshots.list({ known: [id] })).some((one) => one.id === id && one.form === form);
  if (there) {
    requireUnended(
      maker,
      `the removal of the ${form} ${name} had begun`,
      `run \`lifeboat expire ${source}\`, which removes what has expired`,
    );
    await provider.snapshots.remove({ id, name, form });
  }
  await removeSnapshotRecord(repository, source, id);
  return there ? "removed" : "absent";
}

/** When the restore had happened before its job died, what it set aside is recorded and waits to be accepted. */
export async function adoptKept(
  context: Context,
  { source = "", job = "", name = "", former = "", startedAt = "" }: Locator,
  maker: Maker,
  say: (sentence: string) => void,
): Promise<Undone> {
  const history = context.sources.get(source)?.provider.history;
  if (history === undefined) return "elsewhere";
  // A provider may name what it set aside in a step of its own: then it is known by being what was production.
  const found = (await history.find(name)) ?? (former === "" ? undefined : await history.find(former));
  const isSetAside = found !== undefined && !found.production;
  say((await history.productionAfter?.(new Date(startedAt))) ?? `production of ${source} was ${isSetAside ? "" : "not "}set back`);
  if (!isSetAside) return "absent";
  requireUnended(
    maker,
    `production of ${source} may have been set back, and ${found.name} may be the state before`,
    `look at production of ${source}; remove ${found.name} at the provider when it is right`,
  );
  await recordKept(context, source, found, { job, verb: "restore" });
  const { place } = history;
  say(`the state before is kept as ${found.form ?? place} ${found.name}, until \`lifeboat accept ${job}\``);
  return "absent"; // nothing is removed: it stays
}

/** A promotion that had begun is ended: each of its steps is the same when it is taken twice. One that had not is forgotten. */
export async function endPromotion(
  context: Context,
  { source = "", job = "", branch = "", name = "", keepAs = "" }: Locator,
  maker: Maker,
): Promise<Undone> {
  const history = context.sources.get(source)?.provider.history;
  if (history === undefined) return "elsewhere";
  if ((await history.find(keepAs)) === undefined) return "absent";
  if (history.promote === undefined) return "elsewhere";
  requireUnended(
    maker,
    `the promotion of the branch ${branch} to ${name} may be half done`,
    `look at the branches; \`lifeboat promote ${branch} --name ${name} --keep-as ${keepAs} --yes ${source}\` carries it on`,
  );
  const { kept } = await history.promote({ branch, name, keepAs });
  await recordKept(context, source, kept, { job, verb: "promote" });
  return "absent";
}

/** Until the job is accepted, nothing removes what it set aside. */
export async function recordKept(
  { repository, clock }: Context,
  source: string,
  kept: { readonly id: string; readonly name: string; readonly form?: "branch" | "snapshot" | undefined },
  by: { readonly job: string; readonly verb: string },
): Promise<void> {
  const now = clock.now().toISOString();
  const { user, host } = thisOwner();
  await addSnapshotRecord(repository, {
    id: kept.id,
    source,
    form: kept.form ?? "branch",
    name: kept.name,
    createdAt: now,
    time: now,
    reason: `the state before ${by.verb} ${by.job}`,
    madeBy: `${user}@${host}`,
    job: by.job,
    kept: { job: by.job },
  });
}
