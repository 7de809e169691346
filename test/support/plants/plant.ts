// A plant: what makes a monitor find something, and what cures it. The tables beside this file hold one for each monitor.
import assert from "node:assert/strict";
import type { AlertEvent } from "../../../src/core/alerts.ts";
import type { HealthCode } from "../../../src/core/monitors.ts";

/** `World`: the real parts that cause and cure act upon. */
export interface Plant<World> {
  /** What the beat must find as a consequence. */
  readonly too?: readonly HealthCode[] | undefined;
  /** What the cure cannot bring back, which the beat after it must find. */
  readonly leaves?: readonly HealthCode[] | undefined;
  cause(world: World): unknown;
  cure(world: World): unknown;
}

/** A table of plants by code. */
export type Plants<World> = { readonly [code in HealthCode]?: Plant<World> };

/** What a beat opens and closes, such as `opened PITR_OFF`. Reminders are left out. */
export const changesOf = (events: readonly AlertEvent[]): string[] =>
  events
    .filter(({ type }) => type !== "reminder")
    .map(({ type, alert }) => `${type} ${alert.code}`)
    .sort();

/** Plants, looks twice, cures, looks: the alert opens once and closes, and no other one appears. */
export async function tryPlant<World>(
  world: World & { beat(): Promise<readonly AlertEvent[]> },
  code: string,
  { too = [], leaves = [], cause, cure }: Plant<World>,
): Promise<void> {
  const codes = [code, ...too].sort();
  await cause(world);
  assert.deepEqual(
    changesOf(await world.beat()),
    codes.map((one) => `opened ${one}`),
    `the cause of ${code}`,
  );
  assert.deepEqual(changesOf(await world.beat()), [], `${code} opens once`);
  await cure(world);
  assert.deepEqual(
    changesOf(await world.beat()),
    [...codes.map((one) => `closed ${one}`), ...leaves.map((one) => `opened ${one}`)],
    `the cure of ${code}`,
  );
}

/** Tries each plant of a table. */
export async function tryPlants<World>(world: World & { beat(): Promise<readonly AlertEvent[]> }, plants: Plants<World>): Promise<void> {
  for (const [code, plant] of Object.entries(plants)) await tryPlant<World>(world, code, plant);
}
