// A point that the provider holds, as `show` shows it.
import { formatBytes, formatInstant } from "../../core/duration.ts";
import { pointJson } from "../../core/restore-point.ts";
import { shown } from "../../core/visible.ts";
import type { SnapshotEntry } from "../../operations/points/snapshots.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

export const snapshotEntryJson = ({ point, snapshot, record }: SnapshotEntry) => ({
  point: pointJson(point),
  form: snapshot.form,
  pinned: snapshot.pinned ?? null,
  scheduled: snapshot.scheduled,
  record: record ?? null,
});

export function renderSnapshotEntry(entry: SnapshotEntry, paint: Paint): string {
  const { source, point, snapshot, record, kept, ours } = shown(entry);
  const { hold } = point;
  const expires = point.expiresAt?.toISOString() ?? (ours ? "by the policy" : "not by Lifeboat, which did not make it");
  return renderFacts(
    [
      ["name", paint.bold(point.name)],
      ["id", point.id],
      ["source", source],
      ["kind", `${snapshot.form} at the provider`],
      ["data of", point.time.toISOString()],
      ["made", `${snapshot.createdAt.toISOString()} by ${point.madeBy}${record === undefined ? "" : `, job ${record.job}`}`],
      ["rule", record?.rule],
      ["reason", point.reason],
      ["note", point.note],
      ["size", snapshot.sizeBytes === undefined ? undefined : formatBytes(snapshot.sizeBytes)],
      ["fingerprint", record?.fingerprint && "recorded: a drill can compare"],
      ["verified", point.verifiedAt?.toISOString() ?? "never"],
      ["hold", hold && `by ${hold.by} since ${formatInstant(hold.at)}${hold.reason ? `: ${hold.reason}` : ""}`],
      ["kept", kept && (kept.acceptedAt ? `job ${kept.job} was accepted` : `until 7 days after \`lifeboat accept ${kept.job}\``)],
      ["pinned", snapshot.pinned],
      ["expires", expires],
    ],
    paint,
  );
}
