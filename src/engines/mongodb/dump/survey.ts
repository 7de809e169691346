// Before the first byte: what there is, and at which instant, so that definitions and documents are of the same one.
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { Omission } from "../../../core/fingerprint.ts";
import type { Consistency } from "../../../core/manifest.ts";
import type { Progress } from "../../../ports/progress.ts";
import type { MongoSession } from "../connect/connect.ts";
import type { Stamp } from "../oplog/position.ts";
import { chooserOf, type Scope } from "../scope.ts";
import { assertHeld } from "./chosen.ts";
import { listingText, listSource, type SourceCollection } from "./collections.ts";
import { type ConsistencyOption, electionOf, hasOplog, hasUnsnapped, notOffered, takeSnapshot } from "./consistency.ts";
import { sliceStart } from "./oplog-slice.ts";

export interface SurveyOptions {
  readonly scope: Scope;
  readonly patterns?: readonly string[] | undefined;
  /** Accepts patterns that choose nothing. */
  readonly mayLack?: boolean | undefined;
  readonly consistency: ConsistencyOption;
  readonly progress?: Progress | undefined;
}

export interface Survey {
  readonly collections: readonly SourceCollection[];
  readonly omitted: readonly Omission[];
  readonly consistency: Consistency;
  /** `snapshot`: the instant of all reads. */
  readonly snapshot?: Stamp | undefined;
  /** `oplog`: where its slice begins. */
  readonly sliceStart?: Stamp | undefined;
  /** `oplog`: the id of the election that made the primary, from before the lists. */
  readonly election?: string | undefined;
  /** The server's clock just after that. */
  readonly at: Date;
}

const ATTEMPTS = 5;

/** Whole seconds are all that a position tells of its instant. */
export const instantOf = (stamp: Stamp): Date => new Date(Number(stamp >> 32n) * 1000);

/**
 * Lists, takes the instant, and lists again: lists are not part of a snapshot, so they count only when nothing changed between them.
 * SOURCE_CHANGED when they never stand still, TABLE_UNKNOWN, CAPABILITY_MISSING.
 */
export async function survey(mongo: MongoSession, options: SurveyOptions): Promise<Survey> {
  const { scope, patterns } = options;
  const { label } = mongo.connection;
  const chooses = chooserOf(scope, patterns);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const election = await electionOf(mongo);
    const before = await listSource(mongo, scope, chooses);
    if (patterns !== undefined && options.mayLack !== true) await assertHeld(mongo, scope, patterns, before.collections);
    const instant = await takeInstant(mongo, options, before.collections);
    const { localTime } = (await mongo.command("admin", { hello: 1 })) as Document;
    const after = await listSource(mongo, scope, chooses);
    if (listingText(before) === listingText(after)) {
      return { ...after, ...instant, election, at: localTime instanceof Date ? localTime : new Date() };
    }
    options.progress?.note(`collections of ${label} are being changed; beginning anew`);
  }
  throw new LifeboatError("SOURCE_CHANGED", `collections of ${label} are created and dropped faster than they can be listed`);
}

async function takeInstant(
  mongo: MongoSession,
  { consistency: option, scope }: SurveyOptions,
  collections: readonly SourceCollection[],
): Promise<Pick<Survey, "consistency" | "snapshot" | "sliceStart">> {
  if (option === "auto" || option === "snapshot") {
    const some = collections.find(({ type }) => type === "collection");
    const snapshot = hasUnsnapped(mongo, collections)
      ? undefined
      : await takeSnapshot(mongo, some ?? { db: scope.database ?? scope.databases?.[0] ?? "admin", collection: "system.js" });
    if (snapshot !== undefined) return { consistency: "snapshot", snapshot };
    if (option === "snapshot") throw notOffered(mongo.connection.label, option);
  }
  if (option === "auto" || option === "oplog") {
    if (await hasOplog(mongo)) return { consistency: "oplog", sliceStart: await sliceStart(mongo) };
    if (option === "oplog") throw notOffered(mongo.connection.label, option);
  }
  return { consistency: "none" };
}
