// lifeboat list: every restore point, and what can be reached between them.
import * as z from "zod/mini";
import { EXIT } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import { isHealthCode, verdictOf } from "../../core/monitors.ts";
import { type PointJson, pointJson } from "../../core/restore-point.ts";
import { isStoredSource } from "../../repository/backups.ts";
import { readAll } from "../../repository/read-all.ts";
import { type LogWindows, logWindows } from "../archive/log-status.ts";
import { counting } from "../jobs/counting.ts";
import { type OperationContext, operation } from "../operation.ts";
import { type AtProviders, atProviders, type ContinuousWindow } from "../points/at-providers.ts";
import { byInstant, isAfter, pageOf, placeOf } from "../points/page.ts";
import { listedOf, sourceNames } from "../points/points.ts";
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

/** Most points of one answer, so that its memory does not grow with the repository. */
const MOST_POINTS = 10_000;
const SOURCES_AT_ONCE = 16;

export const list = operation({
  name: "list",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({
    source: z.optional(about(sourceName, "Default: all.")),
    limit: z.optional(about(z.number().check(z.int(), z.minimum(1)), "Only the newest of each source, so many.")),
    pageSize: z.optional(
      about(z.number().check(z.int(), z.minimum(1), z.maximum(MOST_POINTS)), `Most points of one answer. Default: ${MOST_POINTS}.`),
    ),
    cursor: z.optional(about(z.string().check(z.maxLength(1000)), "`nextCursor` of the page before.")),
  }),
  result: z.strictObject({
    repository: about(z.string(), "Where it lies."),
    points: about(z.readonly(z.array(point)), "Oldest first, by source."),
    nextCursor: about(orNull(z.string()), "Where the next page begins. Null: this is the last page."),
    windows: about(z.array(window), "Any instant in them can be restored. Of the sources of this page, like what follows."),
    gaps: about(z.array(gap), "Instants that cannot be reached."),
    flaws: about(z.array(flaw), "What in the repository cannot be trusted or read."),
    unasked: about(z.readonly(z.array(flaw)), "Providers that could not be asked: the list lacks what they hold."),
  }),

  async run(context, { source, limit, pageSize = MOST_POINTS, cursor }) {
    const { repository } = context;
    const { storage } = repository;
    if (source !== undefined && !(await isStoredSource(storage, source))) sourceNamed(context, source);
    const names = source === undefined ? await sourceNames(context) : [source];
    const after = cursor === undefined ? undefined : placeOf(cursor);
    const left = names.filter((name) => after === undefined || name >= after.source);
    const read: SourceList[] = [];
    const points: PointJson[] = [];
    await counting(context.progress, { step: "read", what: "restore points" }, async (done) => {
      for (let at = 0; at < left.length && points.length <= pageSize; at += SOURCES_AT_ONCE) {
        const some = await listSources(context, left.slice(at, at + SOURCES_AT_ONCE), limit);
        read.push(...some);
        for (const one of some) {
          for (const point of one.points) if (isAfter(point, after)) points.push(point);
          done(one.points.length);
        }
      }
    });
    const page = pageOf(points, pageSize);
    const last = page.nextCursor === null ? undefined : page.points.at(-1)?.source;
    const shown = read.filter(({ name }) => last === undefined || name <= last);
    return {
      repository: storage.url,
      points: page.points,
      nextCursor: page.nextCursor,
      windows: shown.flatMap((one) => [...one.windows.map(providerWindow), ...archiveWindows(one)]),
      gaps: shown.flatMap((one) => [...one.windows.flatMap(providerGaps), ...archiveGaps(one)]),
      flaws: [
        ...(repository.flaw === undefined ? [] : [{ source: null, code: "REPOSITORY_UNSIGNED", message: repository.flaw }]),
        ...shown.flatMap(({ name, flaws }) => flaws.map(({ code, message }) => ({ source: name, code, message }))),
      ],
      unasked: shown.flatMap(({ unasked }) => unasked),
    };
  },

  exit({ flaws, unasked }) {
    if (flaws.some(({ code }) => (isHealthCode(code) && verdictOf(code) === "fail") || code === "OBJECT_UNREADABLE")) return EXIT.integrity;
    return flaws.length + unasked.length > 0 ? EXIT.inconclusive : EXIT.done;
  },
});

/** What is listed of one source. */
interface SourceList extends Pick<AtProviders, "windows" | "unasked"> {
  readonly name: string;
  /** Oldest first. */
  readonly points: readonly PointJson[];
  readonly log: LogWindows;
  readonly flaws: readonly HealthReason[];
}

/** `limit`: only the newest of each, so many. */
async function listSources(context: OperationContext, names: readonly string[], limit: number | undefined): Promise<SourceList[]> {
  const { snapshots, windows, unasked } = await atProviders(context, names, context);
  return readAll(names, async (name) => {
    const stored = await listedOf(context, name, limit);
    const flaws = context.catalog.flaws(name);
    const ofProvider = snapshots.filter((one) => one.source === name).map(pointJson);
    const points = ofProvider.length === 0 ? stored.points : [...stored.points, ...ofProvider].sort(byInstant);
    return {
      name,
      points: limit === undefined ? points : points.slice(-limit),
      log: await logWindows(context, name, stored.summaries, context),
      flaws,
      windows: windows.filter((one) => one.source === name),
      unasked: unasked.filter((one) => one.source === name),
    };
  });
}

const providerWindow = ({ source, earliest, latest }: ContinuousWindow) => ({
  source,
  earliest: earliest.toISOString(),
  latest: latest.toISOString(),
  timeline: null,
});

const archiveWindows = ({ name: source, log }: SourceList) =>
  log.windows.map(({ earliest, latest, timeline }) => ({ source, earliest, latest, timeline }));

/** What a restore refuses although it lies within a window, or right behind one. */
const providerGaps = ({ source, gaps = [] }: ContinuousWindow) =>
  gaps.map(({ from, to }) => {
    const [first, last] = [from.toISOString(), to?.toISOString() ?? null];
    const message = last === null ? `nothing after ${first} can be reached` : `nothing between ${first} and ${last} can be reached`;
    return { source, from: first, to: last, message };
  });

const archiveGaps = ({ name: source, log }: SourceList) =>
  log.flaws.map(({ from, to, message }) => ({ source, from: from ?? null, to: to ?? null, message }));
