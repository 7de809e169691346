// What the tables of a source held in its backups, as their manifests record it.
import { type ContentAt, contentReasons } from "../../core/content.ts";
import type { HealthReason } from "../../core/health.ts";
import type { Manifest } from "../../core/manifest.ts";
import type { PointSummary } from "../../repository/summaries.ts";
import type { Source } from "../context.ts";

type Scope = Pick<Manifest, "kind" | "tables">;
type Recorded = Pick<PointSummary, "manifest" | "point">;

/** Backups beyond these are not compared; while a loss is open, nothing expires, so the backup before it is among them for long. */
const MOST_BACKUPS = 400;

/** Tables that have lost their data. `entries`: signed backups, oldest first. `of`: only backups of the scope of that one. */
export const contentReasonsOf = ({ changes }: Source, entries: readonly Recorded[], of?: Scope): HealthReason[] =>
  contentReasons(comparedOf(entries, of).map(contentAt), changes);

/** The backups whose content is compared, oldest first: of the whole database, or else of the newest choice of tables. */
export function comparedOf(entries: readonly Recorded[], of?: Scope): readonly Recorded[] {
  const recorded = entries.filter(({ manifest }) => manifest.content !== undefined);
  const newest = of ?? (recorded.findLast(({ manifest }) => manifest.kind !== "tables") ?? recorded.at(-1))?.manifest;
  if (newest === undefined) return [];
  return recorded.filter(({ manifest }) => scopeOf(manifest) === scopeOf(newest)).slice(-MOST_BACKUPS);
}

const scopeOf = ({ kind, tables = [] }: Scope): string => (kind === "tables" ? JSON.stringify(tables) : "all");

const contentAt = ({ manifest, point }: Recorded): ContentAt => ({
  content: manifest.content ?? [],
  complete: manifest.content?.length === manifest.fingerprint?.tables,
  accepted: point.acceptedAt !== undefined,
});
