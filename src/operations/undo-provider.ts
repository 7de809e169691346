// What clean-up does about points at a provider that a dead job was making, removing, or setting aside.

import { thisOwner } from "../repository/owner.ts";
import { addSnapshotRecord, listSnapshotRecords, removeSnapshotRecord } from "../repository/snapshots.ts";
import type { Workshop } from "./workshop.ts";

type Locator = Readonly<Record<string, string>>;

/** Clocks differ: a point that is this much older than the note about it may still be the job's. */
const SKEW_MS = 300_000;

/** A point whose record was never written is removed. Its name was free when the job chose it, so what has it since is the job's. */
export async function undoSnapshot(
  { sources, repository }: Workshop,
  { source = "", name = "", form = "", notBefore = "" }: Locator,
): Promise<boolean> {
  const provider = sources.get(source)?.provider;
  if (provider?.snapshots === undefined) return false;
  const records = await listSnapshotRecords(repository, source);
  // By its name: a snapshot that is still being taken is no point yet, and listed only when it is asked for.
  const found = await provider.history?.find(name);
  const listed = await provider.snapshots.list({ known: found === undefined ? [] : [found.id] });
  const made = listed.find((one) => one.form === form && one.name === name);
  const ours = made !== undefined && made.createdAt.getTime() >= Date.parse(notBefore) - SKEW_MS;
  if (ours && !records.has(made.id)) {
    await removeSnapshotRecord(repository, source, made.id); // its fingerprint, if that was taken
    await provider.snapshots.remove(made);
  }
  return true;
}

/** A removal that had begun is ended. */
export async function endSnapshotRemoval(
  { sources, repository }: Workshop,
  { source = "", id = "", name = "", form = "" }: Locator,
): Promise<boolean> {
  const provider = sources.get(source)?.provider;
  if (provider?.snapshots === undefined) return false;
  await provider.snapshots.remove({ id, name, form: form === "snapshot" ? "snapshot" : "branch" });
  await removeSnapshotRecord(repository, source, id);
  return true;
}

/** When the restore had happened before its job died, what it set aside is recorded and waits to be accepted. */
export async function adoptKept(workshop: Workshop, { source = "", job = "", name = "", former = "" }: Locator): Promise<boolean> {
  const history = workshop.sources.get(source)?.provider.history;
  if (history === undefined) return false;
  // A provider may name what it set aside in a step of its own: then it is known by being what was production.
  const found = (await history.find(name)) ?? (former === "" ? undefined : await history.find(former));
  if (found !== undefined && !found.production) await recordKept(workshop, source, found, { job, verb: "restore" });
  return true;
}

/** A promotion that had begun is ended: each of its steps is the same when it is taken twice. One that had not is forgotten. */
export async function endPromotion(
  workshop: Workshop,
  { source = "", job = "", branch = "", name = "", keepAs = "" }: Locator,
): Promise<boolean> {
  const history = workshop.sources.get(source)?.provider.history;
  if (history === undefined) return false;
  if ((await history.find(keepAs)) === undefined) return true;
  if (history.promote === undefined) return false;
  const { kept } = await history.promote({ branch, name, keepAs });
  await recordKept(workshop, source, kept, { job, verb: "promote" });
  return true;
}

/** Until somebody accepts the job, nothing removes what it set aside. */
export async function recordKept(
  { repository, clock }: Workshop,
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
