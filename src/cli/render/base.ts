// What a base backup says of itself, and how it comes back with three standard commands.
import type { BaseFacts } from "../../core/log.ts";
import type { Manifest } from "../../core/manifest.ts";

/** Its position in the log. */
export function renderPosition(base: BaseFacts): string {
  return `${base.startLsn} to ${base.endLsn} on timeline ${base.timeline}, consistent from ${base.endedAt} on`;
}

/** Facts of the cluster it was taken from, one a line. */
export function renderCluster(base: BaseFacts): string {
  const spaces = base.tablespaces.map(({ oid, location }) => `tablespace ${oid} at ${location}`);
  const sums = base.pageChecksums ? "data pages carry checksums" : "data pages carry no checksums";
  return [`system ${base.systemIdentifier}, superuser ${base.superuser}, ${sums}`, ...spaces].join("\n");
}

/** What takes the plain bytes of a dump, by their content. */
const BY_HAND: Readonly<Record<string, string>> = {
  "mongodump-archive": "mongorestore --archive --uri mongodb://NEW_SERVER",
};

/** The commands that bring a backup back without Lifeboat, one a line. */
export function renderByHand({ kind, base, parts }: Manifest, path: string): string {
  const open = (part: string): string => `age -d -i IDENTITY ${path}/${part}.zst.age | zstd -d`;
  const content = parts.find(({ name }) => name === "data")?.content ?? "";
  if (kind !== "base") return `${open("data")} | ${BY_HAND[content] ?? "pg_restore -d NEW_DATABASE"}`;
  return [
    `mkdir -m 700 DIRECTORY && ${open("base")} | tar -x -C DIRECTORY`,
    // The server makes the links by itself from DIRECTORY/tablespace_map, where another place can be written.
    ...(base?.tablespaces ?? []).map(({ oid, location }) => `${open(`tablespace-${oid}`)} | tar -x -C ${location}`),
    `${open("manifest")} > DIRECTORY/backup_manifest && pg_verifybackup DIRECTORY`,
    "pg_ctl -D DIRECTORY start",
  ].join("\n");
}
