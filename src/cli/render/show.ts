// A restore point as `show` prints it: the manifest of a backup, or what is known of a point that the provider holds.
import type * as z from "zod/mini";
import { formatBytes, formatInstant } from "../../core/duration.ts";
import type { Manifest } from "../../core/manifest.ts";
import type { show } from "../../operations/verbs/show.ts";
import { renderFingerprint } from "./backup.ts";
import { renderByHand, renderCluster, renderPosition } from "./base.ts";
import { renderProven } from "./list.ts";
import type { Paint } from "./paint.ts";
import { renderFacts, renderTable } from "./table.ts";

type Shown = z.infer<typeof show.result>;
type Point = Shown["point"];

export function renderShown({ point, manifest, path, contents, atProvider }: Shown, paint: Paint): string {
  if (atProvider !== null) return renderAtProvider(point, atProvider, paint);
  if (manifest === null || path === null) return point.name;
  const facts = renderManifest(point, manifest, path, paint);
  if (contents === null) return facts;
  const rows = contents.map(({ kind, schema, name, owner, hasData }) => [kind, schema, name, owner, hasData ? "rows" : ""]);
  const columns = ["kind", "schema", "name", "owner", "data"].map((title) => ({ title }));
  return `${facts}\n\n${renderTable(columns, rows, { paint })}`;
}

const holdOf = ({ hold }: Point): string | undefined =>
  hold === null ? undefined : `by ${hold.by} since ${formatInstant(new Date(hold.at))}${hold.reason === null ? "" : `: ${hold.reason}`}`;

function renderManifest(point: Point, manifest: Manifest, path: string, paint: Paint): string {
  return renderFacts(
    [
      ["name", paint.bold(point.name)],
      ["id", point.id],
      ["source", `${point.source} (${manifest.provider})`],
      ["kind", manifest.tables === undefined ? point.kind : `${point.kind}: ${manifest.tables.join(", ")}`],
      ["data of", manifest.snapshotAt],
      ["made", `${manifest.startedAt} to ${manifest.endedAt} by ${point.madeBy}, job ${manifest.madeBy.job}`],
      ["reason", manifest.reason],
      ["note", manifest.note],
      ["server, tool", `${manifest.server.version}, ${manifest.server.tool}`],
      ["size", `${formatBytes(point.sizeBytes)} sealed; ${formatBytes(point.sourceBytes)} at the source`],
      [
        "parts",
        manifest.parts
          .map((part) => `${part.name}.zst.age  ${part.content}  ${part.stored.sizeBytes} bytes  sha256 ${part.stored.sha256}`)
          .join("\n"),
      ],
      ["fingerprint", manifest.fingerprint && renderFingerprint(manifest.engine, manifest.fingerprint)],
      ["log", manifest.base && renderPosition(manifest.base)],
      ["cluster", manifest.base && renderCluster(manifest.base)],
      ["recipients", manifest.recipients.join("\n")],
      ["class", point.storageClass ?? undefined],
      ["verified", renderProven(point, paint)],
      ["hold", holdOf(point)],
      ["expires", manifest.expiresAt ?? "never"],
      ["not included", manifest.notIncluded.map(({ kind, object, reason }) => `${kind} ${object}: ${reason}`).join("\n")],
      ["by hand", renderByHand(manifest, path)],
    ],
    paint,
  );
}

function renderAtProvider(point: Point, atProvider: NonNullable<Shown["atProvider"]>, paint: Paint): string {
  const { record, setAside } = atProvider;
  const expires = point.expiresAt ?? (atProvider.ours ? "by the policy" : "not by Lifeboat, which did not make it");
  return renderFacts(
    [
      ["name", paint.bold(point.name)],
      ["id", point.id],
      ["source", point.source],
      ["kind", `${atProvider.form} at the provider`],
      ["data of", point.time],
      ["made", `${atProvider.createdAt} by ${point.madeBy}${record === null ? "" : `, job ${record.job}`}`],
      ["rule", record?.rule],
      ["reason", point.reason ?? undefined],
      ["note", point.note ?? undefined],
      ["size", point.sizeBytes === 0 ? undefined : formatBytes(point.sizeBytes)],
      ["fingerprint", record?.fingerprint && "recorded: a drill can compare"],
      ["verified", point.verifiedAt ?? "never"],
      ["hold", holdOf(point)],
      [
        "kept",
        setAside === null
          ? undefined
          : setAside.acceptedAt === null
            ? `until 7 days after \`lifeboat accept ${setAside.job}\``
            : `job ${setAside.job} was accepted`,
      ],
      ["pinned", atProvider.pinned ?? undefined],
      ["expires", expires],
    ],
    paint,
  );
}
