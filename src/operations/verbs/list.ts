// lifeboat list: every restore point, and what can be reached between them.
import * as z from "zod/mini";
import { EXIT } from "../../core/errors.ts";
import { isHealthCode, verdictOf } from "../../core/monitors.ts";
import { pointJson, type RestorePoint } from "../../core/restore-point.ts";
import { listStoredSources } from "../../repository/backups.ts";
import { type LogWindows, logWindows } from "../archive/log-status.ts";
import { operation } from "../operation.ts";
import { atProviders, type ContinuousWindow } from "../points/at-providers.ts";
import { bySource, pageOf } from "../points/page.ts";
import { pointsOf } from "../points/points.ts";
import { about, count, instant, orNull, point, reason, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const window = z.strictObject({
  source: sourceName,
  earliest: instant,
  latest: instant,
  timeline: about(orNull(count), "Of PostgreSQL's WAL."),
});
const gap = z.strictObject({
  source: sourceName,
  from: orNull(instant),
  to: about(orNull(instant), "Null: nothing after `from` can be reached."),
  message: z.string(),
});
const flaw = z.strictObject({ source: orNull(sourceName), ...reason.shape });

export const list = operation({
  name: "list",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({
    source: z.optional(about(sourceName, "Default: all.")),
    limit: z.optional(about(z.number().check(z.int(), z.minimum(1)), "Only the newest of each source, so many.")),
    pageSize: z.optional(about(z.number().check(z.int(), z.minimum(1), z.maximum(10_000)), "Most points of one answer. Default: all.")),
    cursor: z.optional(about(z.string().check(z.maxLength(1000)), "`nextCursor` of the page before.")),
  }),
  result: z.strictObject({
    repository: about(z.string(), "Where it lies."),
    points: about(z.readonly(z.array(point)), "Oldest first, by source."),
    nextCursor: about(orNull(z.string()), "Where the next page begins. Null: this is the last page."),
    windows: about(z.array(window), "Any instant in them can be restored."),
    gaps: about(z.array(gap), "Instants that cannot be reached."),
    flaws: about(z.array(flaw), "What in the repository cannot be trusted or read."),
    unasked: about(z.readonly(z.array(flaw)), "Providers that could not be asked: the list lacks what they hold."),
  }),

  async run(context, { source, limit, pageSize, cursor }) {
    const { repository, catalog } = context;
    const storedSources = await listStoredSources(repository.storage);
    if (source !== undefined && !storedSources.includes(source)) sourceNamed(context, source);
    const entries = await pointsOf(context, source, { unsigned: true });
    const { snapshots, windows, unasked } = await atProviders(context, source, context);
    const all = [...entries.map((entry) => entry.point), ...snapshots].sort(bySource);
    const names = source === undefined ? new Set([...context.sources.keys(), ...storedSources]) : [source];
    const logs = await logWindows(context, names, entries, context);
    const page = pageOf(newestOf(all, limit), pageSize, cursor);
    return {
      repository: repository.storage.url,
      points: page.points.map(pointJson),
      nextCursor: page.nextCursor,
      windows: [...windows.map(providerWindow), ...logs.flatMap(archiveWindows)],
      gaps: [...windows.flatMap(providerGaps), ...logs.flatMap(archiveGaps)],
      flaws: [
        ...(repository.flaw === undefined ? [] : [{ source: null, code: "REPOSITORY_UNSIGNED", message: repository.flaw }]),
        ...[...names].flatMap((name) => catalog.flaws(name).map(({ code, message }) => ({ source: name, code, message }))),
      ],
      unasked,
    };
  },

  exit({ flaws, unasked }) {
    if (flaws.some(({ code }) => (isHealthCode(code) && verdictOf(code) === "fail") || code === "OBJECT_UNREADABLE")) return EXIT.integrity;
    return flaws.length + unasked.length > 0 ? EXIT.inconclusive : EXIT.done;
  },
});

/** Of each source its newest ones, oldest first as they are given. */
function newestOf(points: readonly RestorePoint[], limit: number | undefined): readonly RestorePoint[] {
  if (limit === undefined) return points;
  return points.filter(({ source }, at) => points[at + limit]?.source !== source);
}

const providerWindow = ({ source, earliest, latest }: ContinuousWindow) => ({
  source,
  earliest: earliest.toISOString(),
  latest: latest.toISOString(),
  timeline: null,
});

const archiveWindows = ({ source, windows }: LogWindows) =>
  windows.map(({ earliest, latest, timeline }) => ({ source, earliest, latest, timeline }));

/** What a restore refuses although it lies within a window, or right behind one. */
const providerGaps = ({ source, gaps = [] }: ContinuousWindow) =>
  gaps.map(({ from, to }) => {
    const [first, last] = [from.toISOString(), to?.toISOString() ?? null];
    const message = last === null ? `nothing after ${first} can be reached` : `nothing between ${first} and ${last} can be reached`;
    return { source, from: first, to: last, message };
  });

const archiveGaps = ({ source, flaws }: LogWindows) =>
  flaws.map(({ from, to, message }) => ({ source, from: from ?? null, to: to ?? null, message }));
