import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { at, baseOf, lsn, nameOf, segmentOf } from "../../test/support/log.ts";
import type { CommitMark, LogSegment } from "./log.ts";
import type { SegmentDamage } from "./log-chain.ts";
import { type LogBase, type LogWindow, viewLog } from "./log-window.ts";
import { compareLsn } from "./lsn.ts";
import { locate, planFrom } from "./recovery-plan.ts";

/** What happens to a segment on its way to the archive. */
const FATES = ["stored", "stored", "stored", "stored", "stored", "lost", "damaged", "gone", "unlinked", "partial"] as const;
type Fate = (typeof FATES)[number];

interface World {
  readonly bases: readonly LogBase[];
  /** Every segment of the true log, in order, including lost ones. */
  readonly truth: readonly { readonly segment: LogSegment; readonly fate: Fate; readonly commits: readonly CommitMark[] }[];
}

/** A true history with commit times that step back, a fate for each segment, and base backups at any position. */
const worlds: fc.Arbitrary<World> = fc
  .record({
    lanes: fc.array(
      fc.record({
        fate: fc.constantFrom(...FATES),
        commits: fc.array(fc.record({ offset: fc.integer({ min: 1, max: 99 }), jitter: fc.integer({ min: -12, max: 12 }) }), {
          maxLength: 4,
        }),
      }),
      { minLength: 1, maxLength: 14 },
    ),
    bases: fc.array(fc.record({ start: fc.integer({ min: 0, max: 1399 }), length: fc.integer({ min: 1, max: 250 }) }), { maxLength: 4 }),
    switchAt: fc.option(fc.integer({ min: 1, max: 13 })),
  })
  .map(({ lanes, bases, switchAt }) => {
    const truth = lanes.map(({ fate, commits }, number) => {
      const timeline = switchAt !== null && number >= switchAt ? 2 : 1;
      const sorted = commits.toSorted((a, b) => a.offset - b.offset);
      const after = number === 0 || fate === "unlinked" ? undefined : nameOf(number - 1, number - 1 >= (switchAt ?? 99) ? 2 : 1);
      const inside = sorted.map(({ offset, jitter }) => [offset / 100, number * 10 + offset / 10 + jitter] as const);
      const whole = segmentOf(number, inside, { timeline, after });
      if (fate !== "partial") return { segment: whole, fate, commits: marksOf(number, inside) };
      const half = inside.filter(([offset]) => offset < 0.5);
      const part = segmentOf(number, half, { timeline, after, partial: true, endLsn: lsn(number + 0.5) });
      return { segment: part, fate, commits: marksOf(number, inside) };
    });
    const all = truth.flatMap(({ commits }) => commits);
    return {
      truth,
      bases: bases.map(({ start, length }, index) => {
        const end = lsn((start + length) / 100);
        const before = all.filter((mark) => compareLsn(mark.lsn, end) < 0).map((mark) => mark.at);
        const latest = before.sort().at(-1) ?? at(-13); // earlier than every commit
        const timeline = switchAt !== null && start / 100 >= switchAt ? 2 : 1;
        return baseOf(`b${index}`, start / 100, (start + length) / 100, 0, { endedAt: `${latest.slice(0, 26)}Z`, timeline });
      }),
    };
  });

const marksOf = (number: number, commits: readonly (readonly [number, number])[]): CommitMark[] =>
  segmentOf(number, commits).firstCommit === undefined
    ? []
    : commits.map(([offset, seconds]) => ({ lsn: lsn(number + offset), previousEnd: lsn(number + offset), at: at(seconds) }));

function viewOf({ bases, truth }: World) {
  const kept = truth.filter(({ fate }) => fate !== "lost");
  const damage = new Map<string, SegmentDamage>();
  for (const { segment, fate } of kept) {
    if (fate === "damaged") damage.set(segment.name, { kind: "damaged", says: "was found damaged" });
    if (fate === "gone") damage.set(segment.name, { kind: "missing", says: "is missing" });
  }
  const switched = truth.find(({ segment }) => segment.timeline === 2)?.segment;
  const histories = new Map(switched === undefined ? [] : [[2, [{ timeline: 1, switchedAt: switched.startLsn }]] as const]);
  return viewLog(bases, { segments: kept.map(({ segment }) => segment), histories, damage });
}

/** The interesting instants: each commit's, the adjacent ones, and the edges. */
function instantsOf({ truth }: World, window: LogWindow): string[] {
  const times = truth.flatMap(({ commits }) => commits.map((mark) => mark.at));
  const beside = times.flatMap((one) => [one, at((Date.parse(one) - Date.parse(at(0))) / 1000 + 0.000001)]);
  return [...new Set([...beside, window.earliest, window.latest])].filter((one) => one >= window.earliest && one <= window.latest);
}

test("R25 no instant of a window requires a segment that is missing, damaged, unlinked or unfinished", () => {
  let asked = 0;
  fc.assert(
    fc.property(worlds, (world) => {
      const { windows } = viewOf(world);
      const sound = new Map(world.truth.map((one) => [one.segment.name, one]));
      for (const window of windows) {
        for (const instant of instantsOf(world, window)) {
          asked++;
          const located = locate("shop", [window], { kind: "time", at: instant });
          const marks = located.candidates
            .flatMap(({ segment }) => sound.get(segment.name)?.commits ?? [])
            .filter((mark) => compareLsn(mark.lsn, window.endLsn) < 0);
          const stop = marks.find((mark) => mark.at > instant && compareLsn(mark.lsn, located.from) >= 0);
          const plan = planFrom(located, stop);
          // The oracle knows the whole true log: where would a server with all of it stop?
          const all = world.truth.flatMap(({ commits }) => commits).filter((mark) => compareLsn(mark.lsn, located.from) >= 0);
          const true_ = all.find((mark) => mark.at > instant);
          if (window.chain.length === 0) continue;
          if (instant < window.latest) assert.equal(plan.stopBefore, true_?.lsn, `stops elsewhere for ${instant}`);
          assert.ok(compareLsn(plan.base.facts.endLsn, plan.expectedEnd) <= 0, "the base is consistent before replay ends");
          const needed = world.truth.filter(
            ({ segment }) =>
              compareLsn(segment.nextLsn, plan.base.facts.startLsn) > 0 &&
              compareLsn(segment.startLsn, plan.stopBefore ?? plan.expectedEnd) < 0,
          );
          assert.deepEqual(
            plan.chain.slice(0, needed.length).map(({ name }) => name),
            needed.map(({ segment }) => segment.name),
          );
          for (const [index, { segment, fate }] of needed.entries()) {
            const last = index === needed.length - 1;
            assert.ok(
              fate === "stored" || (fate === "unlinked" && index === 0) || (fate === "partial" && last),
              `${segment.name} is ${fate}`,
            );
          }
        }
      }
    }),
    { numRuns: 1500 },
  );
  assert.ok(asked > 1000, "the property was exercised");
});

test("R25 every gap between two stored segments is named", () => {
  let gaps = 0;
  fc.assert(
    fc.property(worlds, (world) => {
      const { flaws } = viewOf(world);
      const good = world.truth
        .map(({ fate }, index) => (["stored", "unlinked", "partial"].includes(fate) ? index : -1))
        .filter((index) => index >= 0);
      const [first = 0, last = -1] = [good[0], good.at(-1)];
      for (const [index, { segment, fate }] of world.truth.entries()) {
        const lost = fate === "lost" && index > first && index < last;
        const broken = fate === "damaged" || fate === "gone";
        const torn = fate === "partial" && index >= first && index < last;
        const unlinked = fate === "unlinked" && index > first;
        if (!lost && !broken && !torn && !unlinked) continue;
        gaps++;
        const named = flaws.some((flaw) => {
          const [from = "", to = from] = flaw.segment.split(" to ");
          const within = (name: string): boolean => name.slice(8) >= from.slice(8) && name.slice(8) <= to.slice(8);
          // A segment after a gap is explained by the gap.
          return within(segment.name) || (unlinked && within(world.truth[index - 1]?.segment.name ?? ""));
        });
        assert.ok(named, `${segment.name} (${fate}) is in none of: ${flaws.map((flaw) => flaw.message).join("; ")}`);
      }
    }),
    { numRuns: 1500 },
  );
  assert.ok(gaps > 1000, "the property was exercised");
});
