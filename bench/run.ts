// Lifeboat beside what people use today, on one database, in one run. Prints ratios: a slow machine slows both sides.
// Usage: npm run bench [-- SECTION …]   default: all sections
// sections: mongodb-backup base recovery backup restore fingerprint merge signing list service startup
// variables: BENCH_ROUNDS, BENCH_MILLION_ROWS, BENCH_DOCUMENTS (100000 is a quick look), BENCH_SOURCES (100 points each),
// BENCH_RELADIFF (the program, to run beside the comparison by key)
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beginCluster } from "../src/engines/postgres/cluster/cluster.ts";
import { partsOf } from "../src/engines/postgres/connect/url.ts";
import { findTools } from "../src/engines/postgres/tools/find.ts";
import { buildProgram } from "../tools/program.ts";
import { benchBase } from "./base.ts";
import { buildDatabase } from "./database.ts";
import { fillRepository } from "./many-backups.ts";
import { compare, type Measured, measure } from "./measure.ts";
import { benchMerge, FINGERPRINTS, IDENTICAL, SCATTERED } from "./merge.ts";
import { benchMongodb, OUR_MONGODB_BACKUP, RAW_READ } from "./mongodb.ts";
import { OUR_RESTORE } from "./recovery.ts";
import { benchService, SETTLED_MS } from "./service.ts";
import { benchSigning } from "./signing.ts";

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const MILLION_ROWS = Number(process.env.BENCH_MILLION_ROWS ?? 10);
const DOCUMENTS = Number(process.env.BENCH_DOCUMENTS ?? 1_000_000);
const SOURCES = Number(process.env.BENCH_SOURCES ?? 1_000);
const asked = process.argv.slice(2);
const wants = (section: string): boolean => asked.length === 0 || asked.includes(section);

const print = (text = ""): void => console.log(text);
const shown = (seconds: number): string => `${seconds.toFixed(2).padStart(7)} s`;

function report(
  title: string,
  runs: Readonly<Record<string, Measured>>,
  ours: string,
  limits: Readonly<Record<string, string>> = {},
): void {
  print(`\n${title}`);
  const own = runs[ours] as Measured;
  for (const [name, run] of Object.entries(runs)) {
    const ratio =
      name === ours ? "" : `   ours is ${(own.seconds / run.seconds).toFixed(2)} x of it${limits[name] ? `   (${limits[name]})` : ""}`;
    print(`  ${shown(run.seconds)}  ${name}${ratio}`);
  }
  const peaks = Object.entries(own.peakMiB).filter(([name]) => !["bash", "sh"].includes(name));
  print(`  peak memory of lifeboat: ${peaks.map(([name, mib]) => `${name} ${Math.round(mib)} MiB`).join(", ")}   (limit 200 MiB)`);
}

const folder = mkdtempSync(join(tmpdir(), "lifeboat-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
/** What the package ships. */
const lifeboat = buildProgram(join(folder, "program"));

if (wants("mongodb-backup")) {
  const runs = await benchMongodb({ lifeboat, documents: DOCUMENTS, rounds: ROUNDS });
  report(`MongoDB backup of ${DOCUMENTS} small documents`, runs, OUR_MONGODB_BACKUP, { [RAW_READ]: "limit 1.43" });
  const [raw, ours] = [RAW_READ, OUR_MONGODB_BACKUP].map((name) => runs[name]?.seconds ?? 0) as [number, number];
  print(`  rate of lifeboat: ${(raw / ours).toFixed(2)} x of the raw cursor's   (limit 0.70)`);
  if (asked.length === 1) process.exit();
}

if (wants("base") || wants("recovery")) {
  const { directory } = await findTools("server", { minimumMajor: 15 });
  const found = await benchBase({ bin: directory, lifeboat, millionRows: MILLION_ROWS, rounds: ROUNDS, restores: wants("recovery") });
  if (found !== undefined && wants("base")) {
    report("Base backup: compressed, encrypted (only ours), every file checked on arrival", found.backups, "lifeboat backup --kind base", {
      "pgbackrest, process-max 2, gz": "its default; limit 0.60",
    });
  }
  if (found?.restores !== undefined) {
    const { runs, steps } = found.restores;
    report("Point-in-time restore of a cluster: ours also replays, promotes, shuts down, and reads every table", runs, OUR_RESTORE);
    const own = runs[OUR_RESTORE]?.seconds ?? 0;
    const files = own - (steps.verify ?? 0);
    for (const [name, { seconds }] of Object.entries(runs)) {
      if (name !== OUR_RESTORE)
        print(`  ${shown(files)}  ours before it reads every table: ${(files / seconds).toFixed(2)} x of ${name}   (limit 1.00)`);
    }
    const list = Object.entries(steps).map(([name, seconds]) => `${name} ${seconds.toFixed(1)} s`);
    print(`  steps of lifeboat: ${list.join(", ")}; both sides flush every file to the disk`);
  }
}

const { directory: bin } = await findTools("server", { minimumMajor: 12 });
const cluster = await beginCluster({
  directory: `${folder}-cluster`, // beside, not inside: its server runs as another user when we are root
  bin,
  jobId: "bench",
  durable: false,
  settings: { shared_buffers: "1GB", autovacuum: "off", max_wal_size: "4GB" },
});
try {
  const shop = cluster.connection("shop");
  const parts = partsOf(shop);
  const env = {
    PGHOST: parts.host,
    PGPORT: String(parts.port),
    PGUSER: parts.user,
    PGPASSWORD: parts.password ?? "",
    DATABASE_URL: shop.url,
    PATH: `${bin}:${process.env.PATH}`,
    F: folder,
    L: `${lifeboat} --config ${folder}/lifeboat.yaml --quiet`,
  };
  await measure(
    "$L init --repository $F/repository --source shop && age-keygen -o $F/key.txt 2>/dev/null && age-keygen -y $F/key.txt > $F/recipient",
    env,
  );

  if (wants("merge")) {
    const sides = [cluster.connection("past"), cluster.connection("now")] as const;
    const runs = await benchMerge(...sides, MILLION_ROWS, ROUNDS, env, process.env.BENCH_RELADIFF);
    report(`Comparison by key of two tables of ${MILLION_ROWS} million rows`, runs, SCATTERED, { [FINGERPRINTS]: "limit 2.00" });
    const ratio = (runs[IDENTICAL]?.seconds ?? 0) / (runs[FINGERPRINTS]?.seconds ?? 1);
    print(`  identical: ${ratio.toFixed(2)} x of the fingerprints   (limit 1.20)`);
    for (const name of [IDENTICAL, SCATTERED]) print(`  ${name}: ${runs[name]?.stdout.trim()}   (limit 150 MiB)`);
  }

  if (wants("backup") || wants("restore") || wants("fingerprint")) {
    print(`building a database of ${MILLION_ROWS} million rows`);
    await measure("createdb shop", env);
    print(`  ${await buildDatabase(shop, MILLION_ROWS)}`);
  }

  if (wants("backup")) {
    const runs = await compare(
      {
        "pg_dump -Fc -Z0 >/dev/null": "pg_dump -Fc -Z0 shop >/dev/null",
        "pg_dump -Fc -Z0 | zstd -1 -T0 | age": "pg_dump -Fc -Z0 shop | zstd -q -1 -T0 | age -R $F/recipient > $F/plain.age",
        "lifeboat backup": "$L backup shop",
        "pg_dump -Fc": "pg_dump -Fc shop > $F/dump.gz",
        "pg_dump | gzip": "pg_dump shop | gzip > $F/dump.sql.gz",
      },
      ROUNDS,
      env,
    );
    report("Backup: compressed, encrypted, checksummed, fingerprinted, read back", runs, "lifeboat backup", {
      "pg_dump -Fc -Z0 | zstd -1 -T0 | age": "limit 1.25",
      "pg_dump | gzip": "limit 0.40",
    });
  }

  if (wants("restore")) {
    if (!wants("backup")) await measure("$L backup shop && pg_dump -Fc shop > $F/dump.gz && pg_dump shop | gzip > $F/dump.sql.gz", env);
    const runs = await compare(
      {
        "lifeboat restore": "$L restore shop --into target --json",
        "pg_restore -j2": "createdb target && pg_restore -j2 -d target $F/dump.gz",
        "gunzip | psql": "createdb target && gunzip -c $F/dump.sql.gz | psql -q -d target >/dev/null",
      },
      ROUNDS,
      env,
      async () => void (await measure("dropdb --if-exists --force target", env)),
    );
    report("Restore: fetched, unsealed, verified, loaded, and then compared with the source's fingerprint", runs, "lifeboat restore");
    const { steps } = JSON.parse((runs["lifeboat restore"] as Measured).stdout) as { steps: { name: string; ms: number }[] };
    const compared = (steps.find(({ name }) => name === "verify")?.ms ?? 0) / 1000;
    const loaded = (runs["lifeboat restore"] as Measured).seconds - compared;
    const peer = (runs["pg_restore -j2"] as Measured).seconds;
    print(`  ${shown(loaded)}  until loaded, before the comparison: ${(loaded / peer).toFixed(2)} x of pg_restore -j2   (limit 1.30)`);
    print(`  steps: ${steps.map(({ name, ms }) => `${name} ${(ms / 1000).toFixed(1)} s`).join(", ")}`);
  }

  if (wants("fingerprint")) {
    const script = resolve(import.meta.dirname, "fingerprint.ts");
    const runs = await compare(
      {
        "pg_dump -Fc -Z0 >/dev/null": "pg_dump -Fc -Z0 shop >/dev/null",
        fingerprint: `${process.execPath} ${script}`,
        "md5 of every row": `psql -qAt shop -c "select sum(('x' || left(md5(t::text), 15))::bit(60)::bigint::numeric) from orders t" -c "select sum(('x' || left(md5(t::text), 15))::bit(60)::bigint::numeric) from items t" -c "select sum(('x' || left(md5(t::text), 15))::bit(60)::bigint::numeric) from users t"`,
      },
      ROUNDS,
      env,
    );
    report("Fingerprint of every row", runs, "fingerprint", { "pg_dump -Fc -Z0 >/dev/null": "limit 0.70" });
  }

  if (wants("signing")) {
    print("\nLog segments stored and signed, beside the same without a signature   (limit 1.10 x)");
    for (const segmentBytes of [64 * 1024, 1024 * 1024, 16 * 1024 * 1024]) {
      const { signedMs, unsignedMs } = await benchSigning(segmentBytes, ROUNDS);
      const ratio = `${(signedMs / unsignedMs).toFixed(2)} x`;
      print(`  ${ratio}  segments of ${segmentBytes / 1024} KiB: ${signedMs.toFixed(1)} ms each, unsigned ${unsignedMs.toFixed(1)} ms`);
    }
  }

  if (wants("list")) {
    fillRepository(join(folder, "repository"), 10_000, join(folder, "lifeboat-writer.pem"));
    const state = { ...env, XDG_CACHE_HOME: join(folder, "cache") };
    mkdirSync(state.XDG_CACHE_HOME);
    const cold = await measure("$L list", state);
    // Until then, each run reads all of it again.
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
    await measure("$L list > /dev/null", state);
    const runs = await compare({ "list, warm": "$L list > /dev/null", "list --json, warm": "$L list --json >/dev/null" }, ROUNDS, state);
    print("\nList with 10 000 backups   (limit 0.30 s warm)");
    print(`  ${shown(cold.seconds)}  the first time, building the catalog`);
    for (const [name, run] of Object.entries(runs)) print(`  ${shown(run.seconds)}  ${name}; processor ${run.cpuSeconds.toFixed(2)} s`);
  }

  if (wants("service")) {
    await measure("createdb shop || true", env);
    const state = { ...env, XDG_CACHE_HOME: join(folder, "cache"), LIFEBOAT_STATE: join(folder, "state") };
    const found = await benchService({ lifeboat, folder, sources: SOURCES, points: 100 * SOURCES, env: state });
    print(`\nThe service with ${SOURCES} sources and ${100 * SOURCES} restore points`);
    print(`  ${shown(found.startSeconds)}  until it listens`);
    print(`  ${shown(found.firstBeatSeconds)}  the first beat, building the catalog`);
    print(`  ${shown(found.beatSeconds)}  a beat after it; processor ${found.beatCpuSeconds.toFixed(2)} s`);
    const { healthMs, healthOfSourceMs, metricsMs } = found;
    for (const [path, ms] of Object.entries({ "/api/health": healthMs, "/api/health/db/SOURCE": healthOfSourceMs, "/metrics": metricsMs }))
      print(`  ${ms.toFixed(1).padStart(6)} ms  ${path}, 95 of 100 requests`);
    print(`  peak memory ${Math.round(found.memoryMiB)} MiB   (limit 200 MiB)`);
    for (const [name, { seconds, cpuSeconds, peakMiB }] of Object.entries(found.commands)) {
      const memory = Math.round(Math.max(...Object.values(peakMiB)));
      print(`  ${shown(seconds)}  ${name}, warm; processor ${cpuSeconds.toFixed(2)} s, ${memory} MiB`);
    }
  }

  if (wants("startup")) {
    const runs = await compare({ "lifeboat --version": `${lifeboat} --version`, "node -e 0": `${process.execPath} -e 0` }, 15, env);
    report("Startup", runs, "lifeboat --version", { "node -e 0": "limit 3.00" });
  }
} finally {
  await cluster.stop();
}
