// The point that a guard can go back to: taken before the change, proven reachable, and on hold until the change has succeeded.
import { LifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { Check } from "../../core/verdict.ts";
import { readSnapshotFingerprint } from "../../repository/snapshots.ts";
import { backup } from "../backup/backup.ts";
import { snapshot } from "../backup/snapshot.ts";
import { verify } from "../backup/verify.ts";
import type { Context, Source, Watch } from "../context.ts";
import { findPoint } from "../points/points.ts";
import { findAnyPoint } from "../points/snapshots.ts";
import { readFingerprint } from "../recovery/load.ts";
import { restore } from "../recovery/restore.ts";
import type { Restored } from "../recovery/restore-request.ts";
import { setHold } from "../retention/hold.ts";

export interface GuardPoint {
  readonly id: string;
  readonly name: string;
}

/** What production is set back to. */
export type WayBack =
  /** The position in the log right before the command. */
  | { readonly kind: "lsn"; readonly lsn: string }
  /** The point: what was committed between it and the command is lost. */
  | { readonly kind: "point"; readonly name: string; readonly called: string };

export const wayInWords = (way: WayBack): string => (way.kind === "lsn" ? way.lsn : way.called);

/** A branch or snapshot where the provider holds such, read in full; else a backup whose stored bytes were read. */
export async function takePoint(context: Context, source: Source, feature: string, watch: Watch): Promise<GuardPoint> {
  const reason = `before the guarded change ${feature}`;
  if (source.managed === true && source.provider.snapshots !== undefined) {
    const { record } = await snapshot(context, source, { preDeploy: feature, reason, fingerprint: true }, watch);
    return { id: record.id, name: record.name };
  }
  const { manifest } = await backup(context, source, { kind: "full", preDeploy: feature, reason }, watch);
  const { verdict, reasons } = await verify(context, await findPoint(context, manifest.id, source.name), watch);
  // Without the identity, the stored bytes are compared and not opened.
  if (verdict === "fail")
    throw new LifeboatError("INTEGRITY", `${manifest.name} cannot be read back, so nothing was run: ${reasons.join("; ")}`);
  return { id: manifest.id, name: manifest.name };
}

/** What differs now from the point: definitions, and rows by table. Undefined: the point's fingerprint cannot be opened here. */
export async function changesSince(context: Context, source: Source, point: GuardPoint, watch: Watch): Promise<readonly Check[]> {
  const expected = await fingerprintOf(context, source, point, watch);
  const actual = await source.engine.fingerprint(await source.provider.connection(watch), expected.scope, {
    ...watch,
    algorithm: expected.algorithm,
  });
  return source.engine.compare(expected, actual, {}).filter(({ outcome }) => outcome !== "pass");
}

/** One sentence: `rows of public.users: 5 rows before, 2 rows now`. */
export function changeInWords({ name, message, expected, actual }: Check): string {
  const isCount = (text: string | undefined): boolean => text !== undefined && /^\d+ /.test(text);
  if (isCount(expected) || isCount(actual)) return `${name}: ${expected ?? "not there"} before, ${actual ?? "not there"} now`;
  return `${name}: ${message}`;
}

async function fingerprintOf(context: Context, source: Source, { id }: GuardPoint, { signal }: Watch): Promise<Fingerprint> {
  const found = await findAnyPoint(context, id, source.name);
  const key = await context.openKey();
  if (found.kind === "backup") return readFingerprint(context, found.entry, key, signal);
  const { record } = found.entry;
  const read = record && (await readSnapshotFingerprint(context.repository.storage, record, key, signal));
  if (read === undefined) throw new LifeboatError("INCONCLUSIVE", `${id} has no fingerprint to compare with`);
  return read;
}

/**
 * Production is set back to the point: in place at its provider, else by a database that takes its place. What it held is kept. The
 * health of the application does not decide here: it may be why the change failed, and must not bring that change back.
 */
export async function rollBack(context: Context, source: Source, to: WayBack, watch: Watch): Promise<Restored> {
  return restore(context, { ...source, health: undefined }, { to, inPlace: true, yes: source.name }, watch);
}

/** The same as a command. */
export const rollBackCommand = ({ name, approval }: Source, to: WayBack): string =>
  `lifeboat restore ${name} --to ${to.kind === "lsn" ? to.lsn : to.name} --in-place --yes ${name}${approval === true ? " --request-approval" : ""}`;

/** The instant whose data the point holds. */
export async function instantOf(context: Context, source: Source, { id }: GuardPoint): Promise<Date> {
  return (await findAnyPoint(context, id, source.name)).entry.point.time;
}

/** The change succeeded: from now on the point is kept as long as the policy says. */
export async function releasePoint(context: Context, source: Source, { id }: GuardPoint, watch: Watch): Promise<Date | undefined> {
  return (await setHold(context, await findAnyPoint(context, id, source.name), false, undefined, watch)).expiresAt;
}
