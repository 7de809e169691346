// The second half of the story: the same shop at a provider, whose API and history a sandbox on this machine stands in for.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { loadConfig } from "../../config/load.ts";
import { formatDuration } from "../../core/duration.ts";
import { EXIT, type ExitStatus, LifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { NeonSandbox } from "../../sandbox/neon/sandbox.ts";
import { openSession, type PostgresSession } from "../../sandbox/postgres/server.ts";
import { applyCommand } from "../commands/apply.ts";
import { backupCommand } from "../commands/backup.ts";
import { listCommand } from "../commands/list.ts";
import { restoreCommand } from "../commands/restore.ts";
import { sourceNamed, withWorkshop } from "../session.ts";
import type { Summary } from "./outcome.ts";
import type { Performed, Surroundings } from "./perform.ts";
import { countRows, openShop } from "./shop.ts";
import { listed, spaced } from "./words.ts";

const SOURCE = "web";
const SIZE = { users: 4_000, projects: 8_000, orders: 60_000 };
/** Between what is to be brought back and the accident: as much as it takes to see that it was before. */
const SECONDS_BEFORE = 2;

export interface NeonProps {
  startNeon(): Promise<NeonSandbox>;
}

export interface Telling {
  readonly around: Surroundings;
  readonly props: NeonProps;
  readonly summary: Summary;
  nextAct(): void;
  play(
    world: Surroundings,
    name: string,
    definition: typeof applyCommand,
    given: Parameters<typeof import("./perform.ts").perform>[3],
  ): Promise<Performed>;
}

/** Tells it. Returns the exit status of the first command that did not end well. */
export async function tellNeon({ around, props, summary, nextAct, play }: Telling): Promise<ExitStatus> {
  const { stage, progress, context } = around;
  const { clock, signal } = context;
  const { paint } = stage;

  nextAct();
  progress.step("starting a sandbox that behaves like Neon");
  const neon = await props.startNeon();
  progress.step("a web shop moves in");
  const shop = await openSession(neon.url);
  await openShop(shop, SIZE);
  const opened = await countRows(shop);
  progress.end();
  signal.throwIfAborted();
  stage.say(
    `Another shop of ours lives at Neon: ${listed(opened)}. (A sandbox on this machine answers as Neon's API does; the databases behind it are real.) It joins the configuration:`,
  );
  stage.show(`\n${paint.dim(await addSource(around.cwd, neon))}\n\n`);
  const world: Surroundings = { ...around, env: { ...around.env, NEON_API_KEY: neon.apiKey } };
  stage.command(`export NEON_API_KEY=…`);
  const applied = await play(world, "apply", applyCommand, { args: { source: SOURCE } });
  if (applied.status !== EXIT.done) return applied.status;
  const made = await play(world, "backup", backupCommand, { args: { source: SOURCE }, options: { reason: "before the deploy" } });
  if (made.status !== EXIT.done) return made.status;
  await play(world, "list", listCommand, { args: { source: SOURCE } });

  nextAct();
  const rows = await countRows(shop);
  const expected = await fingerprintOf(world);
  const good = clock.now();
  await new Promise((resolve) => setTimeout(resolve, SECONDS_BEFORE * 1000));
  const mistake = "update orders set total = 1;";
  stage.show(`${paint.dim(`${SOURCE}=>`)} ${paint.bold(mistake)}   ${paint.dim("-- the where clause was on the next line")}`);
  await shop.query(mistake);
  const accidentMs = clock.monotonicMs();
  await shop.close();
  stage.say(
    `\n${spaced(rows.orders ?? 0)} orders cost 1.00 now. Nothing is missing, so no backup tool would notice; ${SECONDS_BEFORE} seconds ago all was well.`,
  );

  nextAct();
  const given = { args: { source: SOURCE }, options: { to: good.toISOString(), inPlace: true as const, yes: SOURCE } };
  const restored = await play(world, "restore", restoreCommand, given);
  if (restored.status !== EXIT.done) return restored.status;
  const backMs = clock.monotonicMs() - accidentMs;
  const actual = await fingerprintOf(world);
  const differing = await differences(world, expected, actual);
  if (differing.length > 0)
    throw new LifeboatError("CHECK_FAILED", `the restored shop differs from the one of ${good.toISOString()}: ${differing.join("; ")}`);
  const again: PostgresSession = await openSession(neon.url);
  const [sum] = await again.query<{ total: string }>("select to_char(sum(total), 'FM999 999 999.00') as total from orders");
  await again.close();
  const kept = (restored.value as { readonly kept: { readonly name: string } | null }).kept?.name;
  const total = Object.values(actual.tables).reduce((all, table) => all + table.rows, 0);
  summary.neon = {
    restoredTo: good.toISOString(),
    rows: total,
    tables: Object.keys(actual.tables).length,
    equal: true,
    downSeconds: backMs / 1000,
    kept,
  };
  stage.say(
    `Every row, definition and sequence is as it was at ${good.toISOString()}: ${spaced(total)} rows compared with the fingerprint of that moment.`,
  );
  stage.say(
    `The orders come to ${sum?.total} again, ${formatDuration(backMs)} after the accident, at the same connection string. What was there before is kept as ${kept}.`,
  );
  return EXIT.done;
}

async function fingerprintOf(world: Surroundings): Promise<Fingerprint> {
  return inWorkshop(world, async ({ engine, connection, signal }) => engine.fingerprint(await connection(), { kind: "full" }, { signal }));
}

async function differences(world: Surroundings, expected: Fingerprint, actual: Fingerprint): Promise<string[]> {
  return inWorkshop(world, async ({ engine }) =>
    engine
      .compare(expected, actual, { replayed: true })
      .filter(({ outcome }) => outcome !== "pass")
      .map(({ name, message }) => `${name}: ${message}`),
  );
}

async function inWorkshop<T>(
  { context, cwd, env, progress }: Surroundings,
  run: (source: {
    engine: ReturnType<typeof sourceNamed>["engine"];
    connection: () => ReturnType<ReturnType<typeof sourceNamed>["provider"]["connection"]>;
    signal: AbortSignal;
  }) => Promise<T>,
): Promise<T> {
  const { clock, signal } = context;
  const config = () => loadConfig({ file: `${cwd}/lifeboat.yaml`, env, cwd });
  return withWorkshop({ config, clock, env, signal, progress }, (workshop) => {
    const source = sourceNamed(workshop, SOURCE);
    return run({ engine: source.engine, connection: () => source.provider.connection({ signal }), signal });
  });
}

/** Adds the source and its policy to the configuration. Returns the lines that a user would have typed. */
async function addSource(folder: string, neon: NeonSandbox): Promise<string> {
  const file = join(folder, "lifeboat.yaml");
  const document = parseDocument(await readFile(file, "utf8"));
  const flow = (value: unknown) => document.createNode(value, { flow: true });
  const source = {
    provider: "neon",
    projectId: neon.projectId,
    apiHost: neon.apiHost,
    apiKey: "${NEON_API_KEY}",
    branch: neon.branch,
    policy: "standard",
  };
  const policy = { window: "7d", protect: true, snapshots: [{ name: "backup-{date}", cron: "0 0 * * *", keep: "30d" }] };
  document.setIn(["sources", SOURCE], document.createNode({ ...source, checks: [] }));
  document.setIn(["sources", SOURCE, "checks"], document.createNode([flow({ table: "orders", rows: { min: SIZE.orders } })]));
  document.setIn(["policies"], document.createNode({ standard: policy }));
  document.setIn(["policies", "standard", "snapshots"], document.createNode(policy.snapshots.map(flow)));
  const text = document.toString({ lineWidth: 0 });
  await writeFile(file, text);
  const lines = text.split("\n");
  return [...section(lines, `  ${SOURCE}:`), ...section(lines, "policies:")].join("\n");
}

/** The line that begins so, and what is indented beneath it. */
function section(lines: readonly string[], first: string): string[] {
  const begin = lines.indexOf(first);
  const depth = first.length - first.trimStart().length;
  const end = lines.findIndex((line, index) => index > begin && (line === "" || line.length - line.trimStart().length <= depth));
  return lines.slice(begin, end < 0 ? lines.length : end);
}
