// The story of the demonstration, act by act. Every command in it is the real one, run with what is printed.

import type { PostgresSandbox, PostgresSession } from "@lifeboat/sandbox";
import type * as z from "zod/mini";
import { formatDuration } from "../../core/duration.ts";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import type { backup } from "../../operations/verbs/backup.ts";
import type { show } from "../../operations/verbs/show.ts";
import { backupCommand } from "../commands/backup.ts";
import { checkCommand } from "../commands/check.ts";
import { drillCommand } from "../commands/drill.ts";
import { initCommand } from "../commands/init.ts";
import { restoreCommand } from "../commands/restore.ts";
import { showCommand } from "../commands/show.ts";
import { verifyCommand } from "../commands/verify.ts";
import { renderTable } from "../render/table.ts";
import { completeConfiguration } from "./configure.ts";
import { type HostedProps, tellHosted } from "./hosted.ts";
import { measureLoss, newSummary, noteFinding, type Summary } from "./outcome.ts";
import { ask, type Given, type Performed, perform, type Surroundings } from "./perform.ts";
import { countRows, openShop, TABLES } from "./shop.ts";
import { listed, spaced } from "./stage.ts";
import { startWriter, type Writer } from "./writer.ts";

export const ACTS = [
  "A shop opens",
  "Lifeboat is set up",
  "A backup is made, and read back",
  "A table is dropped by mistake",
  "The backup is proven before it is relied on",
  "The shop comes back",
  "Another shop lives at Neon and at Atlas",
  "Both are proven before they are relied on",
  "One mistake in both databases",
  "Both come back, to the same second",
  "The result",
] as const;

/** What the caller must end after the demonstration. */
export interface Props extends HostedProps {
  startServer(): Promise<PostgresSandbox>;
  /** Receives the customers, to end them. */
  employ(writer: Writer): void;
}

export interface Told {
  readonly status: number;
  readonly summary: Summary;
}

const SOURCE = "shop";
const RECOVERED = "shop_recovered";
const OBJECTIVE = { rto: "15m", rpo: "1h" } as const;
/** Least number of orders before the backup, and after it: the accident must lose some. */
const SOME_ORDERS = 50;
const MORE_ORDERS = 500;

/** Runs the story. Ends early, with its exit status, when a command fails. Throws what a command throws. */
export async function tell(around: Surroundings, props: Props): Promise<Told> {
  const { stage, progress, call } = around;
  const { clock, signal } = call;
  const { paint } = stage;
  const summary = newSummary();
  const acts = ACTS.values();
  const nextAct = (): void => stage.heading(acts.next().value ?? "");
  const play = async (name: string, definition: Parameters<typeof perform>[2], given: Given = {}): Promise<Performed> => {
    const performed = await perform(world, name, definition, given);
    const { command, status, ms, value } = performed;
    summary.steps.push({ command, status, ms, result: value });
    noteFinding(summary, value, world.cwd);
    return performed;
  };

  nextAct();
  progress.step("starting a PostgreSQL server");
  const server = await props.startServer();
  const admin = await server.open("postgres");
  await admin.query(`create database ${SOURCE} template template0`);
  progress.step("a shop moves in");
  const back = await server.open(SOURCE);
  await openShop(back);
  signal.throwIfAborted();
  const opened = await countRows(back);
  const [size] = await back.query<{ size: string }>("select pg_size_pretty(pg_database_size(current_database())) as size");
  progress.end();
  stage.say(`PostgreSQL ${server.version} runs, and a shop has moved in: ${listed(opened)}, ${size?.size}.`);
  stage.say("From now on customers order all the time.");
  const writer = startWriter(await server.open(SOURCE), signal);
  props.employ(writer);
  const world: Surroundings = { ...around, env: { ...around.env, DATABASE_URL: server.url(SOURCE) } };

  nextAct();
  stage.command(`export DATABASE_URL=postgres://…   ${paint.dim("# the only secret, and it stays out of the configuration")}`);
  await play("init", initCommand, { options: { repository: "backups", source: SOURCE } });
  stage.say("lifeboat.yaml gets objectives, and the checks that every restored shop must pass:");
  stage.show(`\n${paint.dim(await completeConfiguration(around.cwd, SOURCE, OBJECTIVE, server.isolation))}\n\n`);
  const checked = await play("check", checkCommand);
  if (checked.status !== EXIT.done) return { status: checked.status, summary };

  nextAct();
  await writer.until(({ confirmed }) => confirmed.length > SOME_ORDERS);
  const before = writer.confirmed.length;
  const made = await play("backup", backupCommand, { args: { source: SOURCE }, options: { reason: "before the sale" } });
  const [backedUp] = (made.value as z.infer<typeof backup.result>).made;
  if (backedUp === undefined) throw new LifeboatError("BUG", "a backup that ended well made nothing");
  const { name, time } = backedUp;
  summary.point = name;
  stage.say(`${writer.confirmed.length - before} orders came in while it was made. It holds one instant, and so does its fingerprint.\n\n`);
  const read = await play("verify", verifyCommand, { args: { point: name } });
  if (read.status !== EXIT.done) return { status: read.status, summary };
  summary.backup = ((await ask(world, showCommand, { args: { point: name } })) as z.infer<typeof show.result>).path ?? "";

  nextAct();
  const saved = writer.confirmed.length;
  await writer.until(({ confirmed }) => confirmed.length > saved + MORE_ORDERS);
  const mistake = "drop table orders cascade;";
  stage.show(`${paint.dim(`${SOURCE}=#`)} ${paint.bold(mistake)}   ${paint.dim("-- it was the wrong window")}`);
  // Counted under the lock that the drop takes: no order is confirmed in between, so the loss can be checked to the last one.
  await back.query("begin; lock table orders in access exclusive mode");
  const rows = await countRows(back);
  await back.query(mistake);
  await back.query("commit");
  const accident = clock.now();
  const accidentMs = clock.monotonicMs();
  await writer.until(({ errors }) => errors.length > 0);
  stage.say(`\nThe next customer meets ${paint.red(`ERROR: ${writer.errors[0]}`)}`);
  stage.say(`${listed(await countRows(back))} are left. Of ${spaced(rows.orders ?? 0)} orders, not one.`);

  nextAct();
  const drilled = await play("drill", drillCommand, { args: { source: SOURCE } });
  if (drilled.status !== EXIT.done) return { status: drilled.status, summary };

  nextAct();
  const options = { to: accident.toISOString(), into: RECOVERED, nearest: true } as const;
  const restored = await play("restore", restoreCommand, { args: { source: SOURCE }, options });
  if (restored.status !== EXIT.done) return { status: restored.status, summary };
  const recovered = await server.open(RECOVERED);
  const after = await countRows(recovered);
  summary.rows = { before: rows, after };
  summary.lost = await measureLoss(recovered, writer.confirmed, new Date(time), accident);
  await showRows(around, back, rows, after);
  const soldBefore = writer.confirmed.length;
  await writer.move(await server.open(RECOVERED));
  await writer.until(({ confirmed }) => confirmed.length > soldBefore);
  summary.downSeconds = (clock.monotonicMs() - accidentMs) / 1000;
  stage.say(
    `\nThe application is pointed at ${RECOVERED}, and sells again: order ${writer.confirmed.at(-1)}, ${formatDuration(summary.downSeconds * 1000)} after the accident.`,
  );

  await Promise.all([admin, back, recovered].map((session) => session.close()));

  const status = await tellHosted({
    around,
    props,
    summary,
    nextAct,
    async play(at, name, definition, given) {
      const performed = await perform(at, name, definition, given);
      const { command, status: ended, ms, value } = performed;
      summary.steps.push({ command, status: ended, ms, result: value });
      return performed;
    },
  });
  if (status !== EXIT.done) return { status, summary };
  nextAct();
  return { status, summary };
}

async function showRows(
  { stage }: Surroundings,
  shop: PostgresSession,
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Promise<void> {
  const now = await countRows(shop);
  const cell = (rows: Readonly<Record<string, number>>, table: string): string =>
    rows[table] === undefined ? "gone" : spaced(rows[table]);
  const columns = ["rows", "at the accident", "shop now", RECOVERED].map((title, index) => ({
    title,
    align: index === 0 ? ("left" as const) : ("right" as const),
  }));
  stage.show(
    renderTable(
      columns,
      TABLES.map((table) => [table, cell(before, table), cell(now, table), cell(after, table)]),
      { paint: stage.paint },
    ),
  );
}
