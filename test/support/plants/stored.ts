// Plants in a repository and the source that is stored in it.
import { globSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { tidy } from "../../../src/operations/jobs/recover.ts";
import { acknowledge } from "../../../src/operations/retention/acknowledge.ts";
import { expire } from "../../../src/operations/retention/expire.ts";
import { hold } from "../../../src/operations/verbs/hold.ts";
import { pause, resume } from "../../../src/operations/verbs/pause.ts";
import { verify } from "../../../src/operations/verbs/verify.ts";
import { putSigned } from "../../../src/repository/signed.ts";
import { flipByte } from "../archive.ts";
import type { Running } from "../program.ts";
import type { Plants } from "./plant.ts";
import { moved, type Stored } from "./stored-world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Removes the signatures beside an object, and puts them back. */
const unsigned = (of: (stored: Stored) => string) => ({
  cause(stored: Stored) {
    const files = globSync(`${of(stored)}*.sig`);
    stored.keep(...files);
    for (const file of files) rmSync(file);
    forgetCatalog(stored);
  },
  async cure(stored: Stored) {
    await stored.putBack();
    forgetCatalog(stored);
  },
});

/** The catalog is a cache: what it has checked, it does not check again. */
function forgetCatalog({ state }: Stored): void {
  for (const name of readdirSync(state)) if (name.startsWith("catalog")) rmSync(join(state, name));
}

const inNewest = (stored: Stored, name: string): string => join(stored.newest(), name);
const JOB = "01zzzzzzzzzzzz";
const LEASE = `leases/drill-shop-${JOB}.json`;

/** A backup by the real program, which waits for an answer of its source. */
async function stuckBackup({ mongo, world }: Stored): Promise<Running> {
  const planned = mongo.sandbox.faults.next({ command: "find", effect: { kind: "stallBefore" } });
  const running = world.start("backup", "shop");
  await planned.firstHit;
  return running;
}

async function end(running: Running): Promise<void> {
  running.kill("SIGKILL");
  await running.ended;
}

function writeLease({ path }: Stored, content: string): void {
  mkdirSync(path("leases"), { recursive: true });
  writeFileSync(path(LEASE), content);
}

const idOf = (folder: string): string => folder.split("-").at(-1) ?? "";
const only = (pattern: string): string => {
  const [found] = globSync(pattern).sort();
  if (found === undefined) throw new Error(`there is no ${pattern}`);
  return found;
};

export const STORED = {
  JOB_ABANDONED: {
    too: ["LAST_BACKUP_FAILED"],
    async cause(stored) {
      await end(await stuckBackup(stored));
    },
    cure: ({ world }) => world.expect(0, "jobs", "recover"),
  },
  LEASE_SILENT: {
    async cause(stored) {
      const running = await stuckBackup(stored);
      running.kill("SIGSTOP");
      stored.pass(5 * 60_000);
      stored.onPutBack(() => end(running));
    },
    async cure(stored) {
      await stored.putBack();
      await stored.on((context) => tidy(context, context));
    },
  },
  NO_BACKUP: { too: ["POINT_MISSING"], ...moved("sources/shop/backups") },
  LAST_BACKUP_FAILED: {
    async cause({ mongo, backup }) {
      mongo.sandbox.faults.next({ command: "find", times: 1000, effect: { kind: "error", code: 8000 } });
      await backup().catch(() => undefined);
      mongo.sandbox.faults.clear();
    },
    cure: ({ backup }) => backup(),
  },
  BACKUP_OVERDUE: { too: ["EXPOSURE_ABOVE_RPO"], cause: ({ pass }) => pass(26 * HOUR_MS), cure: ({ backup }) => backup() },
  EXPOSURE_ABOVE_RPO: { cause: ({ pass }) => pass(2 * HOUR_MS), cure: ({ backup }) => backup() },
  BACKUP_DAMAGED: {
    async cause(stored) {
      await stored.backup();
      flipByte(inNewest(stored, "data.zst.age"));
      await stored.on((context) => verify.run(context, { point: idOf(stored.newest()) }));
    },
    cure: ({ backup }) => backup(),
  },
  SIZE_SUSPICIOUS: {
    too: ["TABLE_EMPTIED"],
    async cause({ orders, backup }) {
      await orders.deleteMany({});
      await backup();
    },
    async cure({ orders, backup }) {
      await orders.insertMany(Array.from({ length: 2000 }, (_, n) => ({ n, note: "x".repeat(200) })));
      await backup();
    },
  },
  POINT_MISSING: {
    async cause(stored) {
      await stored.backup();
      stored.moveAside(stored.newest());
    },
    cure: ({ putBack }) => putBack(),
  },
  POINT_CHANGED: {
    async cause(stored) {
      const file = inNewest(stored, "manifest.json");
      stored.keep(...globSync(`${file}*`));
      const name = `sources/shop/backups/${basename(stored.newest())}/manifest.json`;
      const manifest = JSON.parse(readFileSync(file, "utf8"));
      rmSync(file);
      await stored.on(({ repository }) => putSigned(repository, "manifest", name, { ...manifest, name: "another" }, {}));
    },
    cure: ({ putBack }) => putBack(),
  },
  POINT_INCOMPLETE: {
    cause(stored) {
      const file = inNewest(stored, "data.zst.age");
      stored.keep(file);
      truncateSync(file, 1);
    },
    cure: ({ putBack }) => putBack(),
  },
  POINT_UNSIGNED: unsigned((stored) => inNewest(stored, "manifest.json")),
  MARKS_UNSIGNED: { too: ["NEVER_VERIFIED"], ...unsigned(({ path }) => path("sources/shop/marks/*.json")) },
  EVIDENCE_UNSIGNED: { too: ["DRILL_MISSING"], ...unsigned(({ path }) => path("evidence/shop/*/evidence.json")) },
  REPOSITORY_UNSIGNED: unsigned(({ path }) => path("lifeboat.json")),
  OBJECT_UNREADABLE: {
    too: ["POINT_MISSING"],
    cause(stored) {
      const file = inNewest(stored, "manifest.json");
      stored.keep(file);
      truncateSync(file, 1);
      forgetCatalog(stored);
    },
    cure: ({ putBack }) => putBack(),
  },
  MARKS_ROLLED_BACK: {
    async cause(stored) {
      const point = idOf(stored.newest());
      const marks = stored.path(`sources/shop/marks/${point}.json`);
      await stored.on((context) => hold.run(context, { point, reason: "audit" }));
      const older = new Map(globSync(`${marks}*`).map((file) => [file, readFileSync(file)]));
      await stored.on((context) => hold.run(context, { point, reason: "court" }));
      stored.keep(...globSync(`${marks}*`));
      for (const [file, bytes] of older) writeFileSync(file, bytes);
    },
    cure: ({ putBack }) => putBack(),
  },
  NEVER_VERIFIED: { too: ["MARKS_ROLLED_BACK"], ...moved("sources/shop/marks") },
  DRILL_MISSING: moved("evidence/shop"),
  DRILL_OVERDUE: {
    async cause({ pass, backup }) {
      pass(37 * DAY_MS);
      await backup();
    },
    cure: ({ drill }) => drill(),
  },
  LEASE_INVALID: {
    cause: (stored) => writeLease(stored, ""),
    cure: ({ path }) => rmSync(path(LEASE)),
  },
  SOURCE_PAUSED: {
    async cause({ on, pass, backup }) {
      await on((context) => pause.run(context, { source: "shop" }));
      pass(25 * HOUR_MS);
      await backup();
    },
    cure: ({ on }) => on((context) => resume.run(context, { source: "shop" })),
  },
  MEMORY_LOST: {
    cause({ state }) {
      writeFileSync(only(join(state, "memory-*.sqlite")), "not a database");
    },
    cure: ({ on }) => on((context, source) => acknowledge(context, source, "a new disk", context)),
  },
  MEMORY_AWAY: {
    cause({ state, moveAside, onPutBack }) {
      const file = only(join(state, "memory-*.sqlite"));
      moveAside(file);
      mkdirSync(file);
      onPutBack(() => rmSync(file, { recursive: true }));
    },
    cure: ({ putBack }) => putBack(),
  },
  AUDIT_INVALID: {
    cause({ path, keep }) {
      keep(path("audit/checkpoint"));
      writeFileSync(path("audit/checkpoint"), "");
    },
    cure: ({ putBack }) => putBack(),
  },
  AUDIT_BEHIND: {
    async cause({ path, moveAside, onPutBack, backup }) {
      const witness = path("../witness");
      moveAside(witness);
      writeFileSync(witness, "");
      onPutBack(() => rmSync(witness));
      await backup();
    },
    cure: ({ putBack }) => putBack(),
  },
  // The last: a clock of the database that ran ahead does not go back.
  DATED_IN_FUTURE: {
    async cause({ pass, backup }) {
      pass(2 * DAY_MS);
      await backup();
      pass(-2 * DAY_MS);
    },
    cure: ({ on }) => on((context, source) => expire(context, source, context, { future: true })),
  },
} satisfies Plants<Stored>;
