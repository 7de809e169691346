// The second half of the story: a shop of two databases at two providers, emulated on this machine.
// One mistake in both, and both come back to the same second.

import { setTimeout as sleep } from "node:timers/promises";
import type { AtlasSandbox, NeonSandbox, PostgresSession } from "@lifeboat/sandbox";
import type * as z from "zod/mini";
import { loadConfig } from "../../config/load.ts";
import { formatDuration } from "../../core/duration.ts";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import { sourceNamed } from "../../operations/sources.ts";
import type { recover } from "../../operations/verbs/recover.ts";
import type { CommandDefinition } from "../command.ts";
import { applyCommand } from "../commands/apply.ts";
import { drillCommand } from "../commands/drill.ts";
import { initCommand } from "../commands/init.ts";
import { recoverCommand } from "../commands/recover.ts";
import { renderTable } from "../render/table.ts";
import { withContext } from "../session.ts";
import { configureHosted } from "./configure.ts";
import type { Summary } from "./outcome.ts";
import { type Given, type Performed, type Surroundings, withoutNotes } from "./perform.ts";
import { countDocuments, countRows, openReviews, openShop, REVIEWS_DATABASE, type ReviewsSession } from "./shop.ts";
import { listed, spaced } from "./stage.ts";

export const HOSTED = { web: "web", reviews: REVIEWS_DATABASE } as const;
const SIZE = { users: 4_000, projects: 8_000, orders: 60_000 };
/** Seconds between the recovery target and the accident. */
const SECONDS_BEFORE = 2;

export interface HostedProps {
  /** A connection of an application's own. */
  openSession(url: string): Promise<PostgresSession>;
  startNeon(): Promise<NeonSandbox>;
  startAtlas(): Promise<AtlasSandbox>;
}

export interface Telling {
  readonly around: Surroundings;
  readonly props: HostedProps;
  readonly summary: Summary;
  nextAct(): void;
  play(world: Surroundings, name: string, definition: CommandDefinition, given?: Given): Promise<Performed>;
}

/** Runs it. Returns the exit status of the first command that failed. */
export async function tellHosted({ around, props, summary, nextAct, play }: Telling): Promise<number> {
  const { stage, progress, call } = around;
  const { clock, signal } = call;
  const { paint } = stage;

  nextAct();
  progress.step("starting emulators of Neon and Atlas");
  const [neon, atlas] = await Promise.all([props.startNeon(), props.startAtlas()]);
  progress.step("a shop moves in");
  const shop = await props.openSession(neon.url);
  const reviews = await openReviews(atlas.url);
  try {
    await openShop(shop, SIZE);
    const rows = { ...(await countRows(shop)), ...(await countDocuments(atlas.url)) };
    progress.end();
    signal.throwIfAborted();
    const { users, projects, orders, ...documents } = rows;
    stage.say(
      `Another shop keeps ${listed({ users: users ?? 0, projects: projects ?? 0, orders: orders ?? 0 })} in PostgreSQL at Neon, and ${listed(documents)} in MongoDB at Atlas. (Emulators on this machine answer like the providers' APIs; every query and every restore is carried out.) Its configuration, without the repository:`,
    );
    const { folder: cwd, shown } = await configureHosted(around.cwd, { neon, atlas, orders: SIZE.orders });
    stage.show(`\n${paint.dim(shown)}\n\n`);
    const keys = {
      NEON_API_KEY: neon.apiKey,
      ATLAS_CLIENT_SECRET: atlas.clientSecret,
      ATLAS_PASSWORD: atlas.password,
    };
    // Notes of a provider's progress are useful over minutes; here they last a moment.
    const quiet = withoutNotes(progress, call);
    const world: Surroundings = { ...around, progress: quiet, cwd, env: { ...around.env, ...keys } };
    stage.command(`export ${Object.keys(keys).join("=… ")}=…`);
    await play(world, "init", initCommand);
    const applied = await play(world, "apply", applyCommand);
    if (applied.status !== EXIT.done) return applied.status;

    nextAct();
    const drilled = await play(world, "drill", drillCommand);
    if (drilled.status !== EXIT.done) return drilled.status;

    nextAct();
    const expected = await fingerprintsOf(world);
    const good = await nextSecond();
    stage.say(`It is ${good.toISOString()}, and all is well.\n\n`);
    await sleep(SECONDS_BEFORE * 1000, undefined, { signal });
    await slip({ stage, shop, reviews });
    const accidentMs = clock.monotonicMs();
    stage.say(
      `\n${spaced(orders ?? 0)} orders cost 1.00 now, and no customer has a cart. No error was reported: both statements did what they said.`,
    );

    nextAct();
    const recovered = await play(world, "recover", recoverCommand, { options: { to: good.toISOString() } });
    if (recovered.status !== EXIT.done) return recovered.status;
    const backMs = clock.monotonicMs() - accidentMs;
    const value = recovered.value as RecoverValue;
    const differing = await differences(world, expected, value, [neon.url, atlas.url]);
    if (differing.length > 0)
      throw new LifeboatError("CHECK_FAILED", `what came back differs from ${good.toISOString()}: ${differing.join("; ")}`);
    const total = Object.values(expected).reduce((sum, { tables }) => sum + countOf(tables), 0);
    stage.show(sideBySide(value, expected, paint));
    stage.say(
      `\nEvery row, document, definition and index is as it was at ${good.toISOString()}, in both: ${spaced(total)} compared with the fingerprints of that second, ${formatDuration(backMs)} after the accident. Production was not touched.`,
    );
    summary.hosted = {
      recoveredTo: good.toISOString(),
      rows: total,
      equal: true,
      downSeconds: backMs / 1000,
      combined: value.combined,
    };
    return EXIT.done;
  } finally {
    await Promise.all([shop.close(), reviews.close()]);
  }
}

type RecoverValue = z.infer<typeof recover.result>;

/** The next whole second: the finest instant that both providers can go back to. */
async function nextSecond(): Promise<Date> {
  const at = Math.ceil((Date.now() + 1) / 1000) * 1000;
  while (Date.now() < at) await sleep(at - Date.now());
  return new Date(at);
}

async function slip({ stage, shop, reviews }: { stage: Surroundings["stage"]; shop: PostgresSession; reviews: ReviewsSession }) {
  const { paint } = stage;
  const [update, remove] = ["update orders set total = 1;", "db.carts.deleteMany({})"];
  stage.show(`${paint.dim("web=>")} ${paint.bold(update)}   ${paint.dim("-- the where clause was on the next line")}`);
  stage.show(`${paint.dim("reviews>")} ${paint.bold(remove)}   ${paint.dim("// of the test system, it was to be")}`);
  await Promise.all([shop.query(update), reviews.db.collection("carts").deleteMany({})]);
}

const countOf = (tables: Fingerprint["tables"]): number => Object.values(tables).reduce((sum, { rows }) => sum + rows, 0);

function sideBySide({ sources }: RecoverValue, expected: Fingerprints, paint: Surroundings["stage"]["paint"]): string {
  const columns = [{ title: "source" }, { title: "came back as" }, { title: "compared", align: "right" as const }, { title: "in" }];
  const lines = sources.map(({ source, place, achieved }) => [
    source,
    `${place?.what} ${place?.name}`,
    spaced(countOf(expected[source]?.tables ?? {})),
    formatDuration((achieved.rtoSeconds ?? 0) * 1000),
  ]);
  return renderTable(columns, lines, { paint });
}

type Fingerprints = Readonly<Record<string, Fingerprint>>;

async function fingerprintsOf(world: Surroundings): Promise<Fingerprints> {
  return inContext(world, async (context, signal) => {
    const found: Record<string, Fingerprint> = {};
    for (const name of Object.values(HOSTED)) {
      const { engine, provider } = sourceNamed(context, name);
      found[name] = await engine.fingerprint(await provider.connection({ signal }), { kind: "full" }, { signal });
    }
    return found;
  });
}

/** Differences between the recovered databases and the expected fingerprints. Users and passwords are those of production. */
async function differences(
  world: Surroundings,
  expected: Fingerprints,
  { sources }: RecoverValue,
  production: readonly string[],
): Promise<string[]> {
  return inContext(world, async (context, signal) => {
    const differing: string[] = [];
    for (const { source, connection } of sources) {
      const { engine } = sourceNamed(context, source);
      const wanted = expected[source];
      const url = connection?.url ?? "";
      const own = production.find((one) => url.startsWith(one.slice(0, 5)));
      if (wanted === undefined || own === undefined) throw new LifeboatError("CHECK_FAILED", `${source} did not come back`);
      const place = { url: url.replace("***", new URL(own).password), label: source };
      const actual = await engine.fingerprint(place, { kind: "full" }, { signal });
      const checks = engine.compare(wanted, actual, { replayed: true });
      for (const { name, message, outcome } of checks) if (outcome !== "pass") differing.push(`${source}: ${name}: ${message}`);
    }
    return differing;
  });
}

type Context = Parameters<typeof sourceNamed>[0];

async function inContext<T>(
  { call, cwd, env, progress: { events } }: Surroundings,
  run: (context: Context, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, signal } = call;
  const config = () => loadConfig({ file: `${cwd}/lifeboat.yaml`, env, cwd });
  return withContext({ commandLine: () => "lifeboat demo", config, clock, env, signal, events }, (context) => run(context, signal));
}
