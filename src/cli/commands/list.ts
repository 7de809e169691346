// lifeboat list [SOURCE], lifeboat show POINT

import { formatBytes, formatInstant } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { HEALTH_CODES } from "../../core/health.ts";
import { flag, integer, text } from "../../core/option-types.ts";
import { byTime, isDamaged, isVerified, pointJson, type RestorePoint } from "../../core/restore-point.ts";
import { shown, visible } from "../../core/visible.ts";
import { logWindows } from "../../operations/archive/log-status.ts";
import { contentsOf } from "../../operations/backup/contents.ts";
import { atProviders, type ContinuousWindow } from "../../operations/points/at-providers.ts";
import { pointsOf } from "../../operations/points/points.ts";
import { findAnyPoint } from "../../operations/points/snapshots.ts";
import { defineCommand } from "../command.ts";
import { renderFingerprint } from "../render/backup.ts";
import { renderByHand, renderCluster, renderPosition } from "../render/base.ts";
import { logGapsJson, logWindowLines, logWindowsJson } from "../render/log.ts";
import type { Paint } from "../render/paint.ts";
import { renderSnapshotEntry, snapshotEntryJson } from "../render/snapshot.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { sourceNamed, withContext } from "../session.ts";

export const listCommand = defineCommand({
  description: "Every restore point, oldest first, and what is known of each: how large, until when, held by whom, proven when.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: { limit: { type: integer(1), value: "N", help: "Only the newest of each source, so many." } },
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const { source } = call.args;
      if (source !== undefined && (await context.storedSources()).every((stored) => stored !== source)) sourceNamed(context, source);
      const entries = await pointsOf(context, source, { unsigned: true });
      const stored = entries.map(({ point }) => point);
      const { snapshots, windows, unasked } = await atProviders(context, source, watch);
      const all = [...stored, ...snapshots].sort((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : byTime(a, b)));
      const points = newestOf(all, call.options.limit);
      const names = source === undefined ? new Set([...context.sources.keys(), ...(await context.storedSources())]) : [source];
      const { flaw } = context.repository;
      const flaws = [
        ...(flaw === undefined ? [] : [{ source: null, code: "REPOSITORY_UNSIGNED" as const, message: flaw }]),
        ...[...names].flatMap((name) => context.catalog.flaws(name).map((one) => ({ source: name, ...one }))),
      ];
      const logs = await logWindows(context, names, entries, watch);
      if (!call.json) for (const { code, message } of flaws) call.stderr.write(`${code}: ${visible(message)}\n`);
      if (!call.json) for (const { message } of unasked) call.stderr.write(`incomplete: ${visible(message)}\n`);
      call.emit(
        {
          points: points.map(pointJson),
          windows: [...windows.map(windowJson), ...logs.flatMap(logWindowsJson)],
          gaps: [...windows.flatMap(gapsJson), ...logs.flatMap(logGapsJson)],
          flaws,
          unasked,
        },
        () =>
          [
            points.length === 0
              ? `no restore points${source === undefined ? "" : ` of ${source}`} in ${context.repository.storage.url}`
              : table(shown(points), call),
            ...shown(windows).flatMap(windowLines),
            ...logs.flatMap(logWindowLines),
          ].join("\n"),
      );
      const wrong = flaws.some(({ code }) => HEALTH_CODES[code] === "fail" || code === "OBJECT_UNREADABLE");
      return wrong ? EXIT.integrity : flaws.length + unasked.length > 0 ? EXIT.inconclusive : EXIT.done;
    });
  },
});

/** Of each source its newest ones, in the order that they are given in: oldest first. */
function newestOf(points: readonly RestorePoint[], limit: number | undefined): readonly RestorePoint[] {
  if (limit === undefined) return points;
  return points.filter(({ source }, at) => points[at + limit]?.source !== source);
}

const windowJson = ({ source, earliest, latest }: ContinuousWindow) => ({
  source,
  earliest: earliest.toISOString(),
  latest: latest.toISOString(),
});

/** What a restore refuses although it lies within a window, or right behind one. */
const gapsJson = ({ source, gaps = [] }: ContinuousWindow) =>
  gaps.map(({ from, to }) => ({ source, from: from.toISOString(), to: to?.toISOString() ?? null }));

const windowLines = (window: ContinuousWindow): string[] => [
  `${window.source}: any instant from ${window.earliest.toISOString()} to ${window.latest.toISOString()}`,
  ...gapsJson(window).map(({ source, from, to }) =>
    to === null ? `${source}: nothing after ${from} can be reached` : `${source}: nothing between ${from} and ${to} can be reached`,
  ),
];

const proven = (point: RestorePoint, paint: Paint): string => {
  if (point.unsigned) return paint.red("unsigned");
  if (point.incomplete !== undefined) return paint.red("incomplete");
  if (isDamaged(point)) return paint.red("damaged");
  return isVerified(point) && point.verifiedAt ? paint.green(formatInstant(point.verifiedAt)) : paint.yellow("never");
};

function table(points: readonly RestorePoint[], call: { paint: Paint; stdout: { isTerminal: boolean; columns: number } }): string {
  const { paint, stdout } = call;
  const rows = points.map((point) => [
    point.id,
    point.source,
    point.name,
    point.kind,
    formatInstant(point.time),
    point.kind === "snapshot" && point.sizeBytes === 0 ? "" : formatBytes(point.sizeBytes), // not every provider tells
    point.storageClass ?? "",
    proven(point, paint),
    point.hold ? `held by ${point.hold.by}` : point.expiresAt ? formatInstant(point.expiresAt) : "never",
  ]);
  const titles = ["id", "source", "name", "kind", "data of", "size", "class", "verified", "expires"];
  const columns = titles.map((title) => ({ title, align: title === "size" ? ("right" as const) : ("left" as const) }));
  return renderTable(columns, rows, { paint, columns: stdout.isTerminal ? stdout.columns : undefined });
}

export const showCommand = defineCommand({
  description:
    "The manifest of a restore point: what it holds, what it does not, who can open it, and how to bring it back without Lifeboat.",
  arguments: { point: { type: text, required: true, help: "Restore point: its name, its id, or the beginning of its id." } },
  options: { contents: { type: flag, help: "List what is inside, too; needs the identity." } },
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const found = await findAnyPoint(context, call.args.point, undefined, { ...watch, unsigned: true });
      if (found.kind === "snapshot") {
        call.emit(snapshotEntryJson(found.entry), () => renderSnapshotEntry(found.entry, call.paint));
        return EXIT.done;
      }
      const { entry } = found;
      const contents = call.options.contents
        ? await contentsOf(context, sourceNamed(context, entry.source), entry, call.signal)
        : undefined;
      const path = context.folderOf(entry);
      const { paint } = call;
      call.emit({ point: pointJson(entry.point), manifest: entry.manifest, path, ...(contents && { contents }) }, () => {
        const { manifest, point } = shown({ manifest: entry.manifest, point: entry.point });
        const facts = renderFacts(
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
            ["class", point.storageClass],
            ["verified", proven(point, paint)],
            [
              "hold",
              point.hold && `by ${point.hold.by} since ${formatInstant(point.hold.at)}${point.hold.reason ? `: ${point.hold.reason}` : ""}`,
            ],
            ["expires", manifest.expiresAt ?? "never"],
            ["not included", manifest.notIncluded.map(({ kind, object, reason }) => `${kind} ${object}: ${reason}`).join("\n")],
            ["by hand", renderByHand(manifest, path)],
          ],
          paint,
        );
        if (contents === undefined) return facts;
        const rows = shown(contents).map(({ kind, schema, name, owner, hasData }) => [kind, schema, name, owner, hasData ? "rows" : ""]);
        return `${facts}\n\n${renderTable(
          ["kind", "schema", "name", "owner", "data"].map((title) => ({ title })),
          rows,
          { paint },
        )}`;
      });
      return EXIT.done;
    });
  },
});
