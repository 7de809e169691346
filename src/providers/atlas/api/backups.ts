// Calls about what Atlas keeps of a cluster: its schedule, its snapshots, and the project's compliance policy.
import { isLifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import { type Json, readCompliance, readFlexSnapshot, readSchedule, readSnapshot } from "./read.ts";
import { hasCode, orGone, type Session } from "./session.ts";
import type { AtlasCluster, AtlasCompliance, AtlasPolicyItem, AtlasSchedule, AtlasSnapshot, ScheduleChange } from "./types.ts";

export type Of = Pick<AtlasCluster, "name" | "kind" | "type">;

export interface BackupCalls {
  /** Undefined: cloud backup is off. */
  schedule(cluster: Of, work?: Work): Promise<AtlasSchedule | undefined>;
  /** What is not named stays; items keep their ids. */
  updateSchedule(cluster: Of, change: ScheduleChange, work?: Work): Promise<AtlasSchedule>;
  /** In every state, oldest first. */
  snapshots(cluster: Of, work?: Work): Promise<AtlasSnapshot[]>;
  /** Undefined: it is gone. */
  snapshot(cluster: Of, id: string, work?: Work): Promise<AtlasSnapshot | undefined>;
  /** Begins it. Never two: a lost answer is followed by a look for the description, which must be new. */
  createSnapshot(cluster: Of, spec: { readonly description: string; readonly retentionDays: number }, work?: Work): Promise<AtlasSnapshot>;
  /** Kept for so many days, counted from when it was taken. */
  keepSnapshot(cluster: Of, id: string, days: number, work?: Work): Promise<AtlasSnapshot>;
  /** Without error if it does not exist. */
  deleteSnapshot(cluster: Of, id: string, work?: Work): Promise<void>;
  /** Every collection of a snapshot, as `database.collection`. */
  snapshotCollections(cluster: Of, id: string, databases: readonly string[] | undefined, work?: Work): Promise<string[]>;
  /** Undefined: the project has none. `unknown`: the key may not ask. */
  compliance(work?: Work): Promise<AtlasCompliance | undefined | "unknown">;
}

const isSharded = ({ type }: Of): boolean => type !== "REPLICASET";

/** Of a cluster that has no backup, or is being deleted. */
const NO_BACKUP = /^(?:BACKUP_CONFIG_NOT_FOUND|BACKUP_JOB_NOT_FOUND|.*BACKUP.*NOT_ENABLED.*|BACKUP_NOT_.*)$/;

export function backupCalls({ ask, list }: Session): BackupCalls {
  async function snapshots(cluster: Of, work?: Work): Promise<AtlasSnapshot[]> {
    const doing = `list the snapshots of ${cluster.name}`;
    const path = { cluster: cluster.name };
    const listed = async (): Promise<AtlasSnapshot[]> => {
      if (cluster.kind === "flex") return await list({ endpoint: "listFlexSnapshots", doing, path, read: readFlexSnapshot }, work);
      if (!isSharded(cluster)) return await list({ endpoint: "listSnapshots", doing, path, read: readSnapshot }, work);
      // This one is not paged.
      return await ask(
        {
          endpoint: "listShardedSnapshots",
          doing,
          path,
          read: ({ results }) => (Array.isArray(results) ? results.map((one) => readSnapshot(one as Json)) : []),
        },
        work,
      );
    };
    try {
      return (await listed()).toSorted((a, b) => timeOf(a) - timeOf(b));
    } catch (error) {
      if (hasCode(error, NO_BACKUP)) return [];
      throw error;
    }
  }

  const onSnapshot = (cluster: Of, id: string) => ({ cluster: cluster.name, id });
  return {
    async schedule({ name }, work) {
      const doing = `show the backup schedule of ${name}`;
      try {
        return await ask({ endpoint: "readSchedule", doing, path: { cluster: name }, read: readSchedule }, work);
      } catch (error) {
        if (hasCode(error, NO_BACKUP)) return undefined;
        throw error;
      }
    },
    updateSchedule: ({ name }, change, work) =>
      ask(
        {
          endpoint: "updateSchedule",
          doing: `change the backup schedule of ${name}`,
          path: { cluster: name },
          body: scheduleBody(change),
          read: readSchedule,
        },
        work,
      ),
    snapshots,
    async snapshot(cluster, id, work) {
      if (cluster.kind === "flex") return (await snapshots(cluster, work)).find((one) => one.id === id);
      const endpoint = isSharded(cluster) ? "readShardedSnapshot" : "readSnapshot";
      return await orGone(
        ask({ endpoint, doing: `show the snapshot ${id} of ${cluster.name}`, path: onSnapshot(cluster, id), read: readSnapshot }, work),
      );
    },
    createSnapshot: (cluster, { description, retentionDays }, work) =>
      ask(
        {
          endpoint: "createSnapshot",
          doing: `take the snapshot ${description} of ${cluster.name}`,
          path: { cluster: cluster.name },
          body: { description, retentionInDays: retentionDays },
          read: readSnapshot,
          look: async () => (await snapshots(cluster, work)).find((one) => one.description === description && one.status !== "failed"),
        },
        work,
      ),
    keepSnapshot: (cluster, id, days, work) =>
      ask(
        {
          endpoint: "keepSnapshot",
          doing: `keep the snapshot ${id} of ${cluster.name} longer`,
          path: onSnapshot(cluster, id),
          body: { retentionUnit: "DAYS", retentionValue: days },
          read: readSnapshot,
        },
        work,
      ),
    async deleteSnapshot(cluster, id, work) {
      const endpoint = isSharded(cluster) ? "deleteShardedSnapshot" : "deleteSnapshot";
      const doing = `delete the snapshot ${id} of ${cluster.name}`;
      await orGone(ask({ endpoint, doing, path: onSnapshot(cluster, id), read: () => true }, work));
    },
    async snapshotCollections(cluster, id, databases, work) {
      const nameOf = ({ name }: Json): string => String(name);
      const path = onSnapshot(cluster, id);
      const chosen =
        databases ??
        (await list({ endpoint: "listSnapshotDatabases", doing: `list the databases of the snapshot ${id}`, path, read: nameOf }, work));
      const names: string[] = [];
      for (const database of chosen.filter((one) => !SERVER_DATABASES.has(one))) {
        const doing = `list the collections of ${database} in the snapshot ${id}`;
        const found = await list({ endpoint: "listSnapshotCollections", doing, path: { ...path, database }, read: nameOf }, work);
        names.push(...found.map((collection) => `${database}.${collection}`));
      }
      return names;
    },
    async compliance(work) {
      try {
        return await orGone(ask({ endpoint: "readCompliance", doing: "show the Backup Compliance Policy", read: readCompliance }, work));
      } catch (error) {
        // Only an owner of the project may look; that there is one shows when it refuses something.
        if (isLifeboatError(error, "PROVIDER_AUTH") && error.details.status !== undefined && hasRightElsewhere(error)) return "unknown";
        throw error;
      }
    },
  };
}

const SERVER_DATABASES: ReadonlySet<string> = new Set(["admin", "local", "config"]);

/** The key itself was taken: it only lacks this right. */
const hasRightElsewhere = (error: { readonly details: Readonly<Record<string, unknown>>; readonly message: string }): boolean =>
  /has no right to/.test(error.message);

const timeOf = ({ createdAt, requestedAt }: AtlasSnapshot): number => (createdAt ?? requestedAt).getTime();

const itemBody = ({ id, frequency, interval, unit, value }: AtlasPolicyItem): Json => ({
  ...(id === undefined ? {} : { id }),
  frequencyType: frequency,
  frequencyInterval: interval,
  retentionUnit: unit,
  retentionValue: value,
});

function scheduleBody({ policyId, items, hour, minute, windowDays }: ScheduleChange): Json {
  const policy = { ...(policyId === undefined ? {} : { id: policyId }), policyItems: items?.map(itemBody) };
  return {
    ...(items === undefined ? {} : { policies: [policy] }),
    ...(hour === undefined ? {} : { referenceHourOfDay: hour }),
    ...(minute === undefined ? {} : { referenceMinuteOfHour: minute }),
    ...(windowDays === undefined ? {} : { restoreWindowDays: windowDays }),
  };
}
