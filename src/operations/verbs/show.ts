// lifeboat show: what a restore point holds, what it does not, and where it lies.
import * as z from "zod/mini";
import type { Manifest } from "../../core/manifest.ts";
import { pointJson } from "../../core/restore-point.ts";
import { backupFolder } from "../../repository/layout.ts";
import type { SnapshotRecord } from "../../repository/snapshots.ts";
import { contentsOf } from "../backup/contents.ts";
import { operation } from "../operation.ts";
import type { PointEntry } from "../points/points.ts";
import { findAnyPoint, type SnapshotEntry } from "../points/snapshots.ts";
import { about, instant, iso, jobId, orNull, point, pointName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

/** Its own schema is checked where it is read. */
const stored = <T>(sentence: string) => about(z.custom<T>(), sentence);

const contents = z.strictObject({
  kind: about(z.string(), "Kind of the object."),
  schema: about(z.string(), "Of MongoDB: the database."),
  name: z.string(),
  owner: z.string(),
  hasData: about(z.boolean(), "Its rows are in the backup."),
});

export const show = operation({
  name: "show",
  access: "look",
  storedOnly: ({ contents }) => contents !== true,
  request: z.strictObject({
    point: pointName,
    contents: z.optional(about(z.boolean(), "List what is inside, too; needs the identity.")),
  }),
  result: z.strictObject({
    point,
    manifest: orNull(stored<Manifest>("Of a backup, as docs/format.md describes it.")),
    path: about(orNull(z.string()), "Where the files of a backup lie."),
    contents: about(orNull(z.array(contents)), "Null: not asked for, or the provider holds the point."),
    atProvider: orNull(
      z.strictObject({
        form: about(z.enum(["branch", "snapshot"]), "How the provider holds it."),
        createdAt: instant,
        scheduled: about(z.boolean(), "The provider's own schedule made it."),
        pinned: about(orNull(z.string()), "Why the provider would not remove it now."),
        ours: about(z.boolean(), "Lifeboat made it."),
        setAside: about(
          orNull(z.strictObject({ job: jobId, acceptedAt: orNull(instant) })),
          "It is the state before a restore or promotion, which that job set aside.",
        ),
        record: orNull(stored<SnapshotRecord>("What the repository knows of it, as docs/format.md describes it.")),
      }),
    ),
  }),

  async run(context, { point: name, contents: wanted }) {
    const found = await findAnyPoint(context, name, undefined, { signal: context.signal, unsigned: true });
    if (found.kind === "snapshot") return { ...nothing, point: pointJson(found.entry.point), atProvider: atProvider(found.entry) };
    const { entry } = found;
    const inside = wanted ? await contentsOf(context, sourceNamed(context, entry.source), entry, context.signal) : undefined;
    return {
      point: pointJson(entry.point),
      manifest: entry.manifest,
      path: folderOf(context.repository.storage.url, entry),
      contents: inside?.map(({ kind, schema, name: object, owner, hasData }) => ({ kind, schema, name: object, owner, hasData })) ?? null,
      atProvider: null,
    };
  },
});

const nothing = { manifest: null, path: null, contents: null };

/** Where a person finds the files of a restore point. */
export const folderOf = (url: string, { source, folder }: Pick<PointEntry, "source" | "folder">): string =>
  `${url.replace(/^file:\/\//, "")}/${backupFolder(source, folder).slice(0, -1)}`;

function atProvider({ snapshot, record, kept, ours }: SnapshotEntry) {
  return {
    form: snapshot.form,
    createdAt: snapshot.createdAt.toISOString(),
    scheduled: snapshot.scheduled,
    pinned: snapshot.pinned ?? null,
    ours,
    setAside: kept === undefined ? null : { job: kept.job, acceptedAt: iso(kept.acceptedAt) },
    record: record ?? null,
  };
}
