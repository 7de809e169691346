// Migrations under guard, by the real command lines of Prisma and Drizzle. Prisma's engines are downloaded programs; its WebAssembly engine,
// which the package holds, does the same without them.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";
import { need } from "../support/require.ts";

const FOLDER = join(import.meta.dirname, "migrators");
const PACKAGES = join(FOLDER, "node_modules");
const engine = openPostgresEngine();

const USERS =
  "create table public.users (id int primary key, name text); insert into public.users select i, 'u' || i from generate_series(1, 50) i;";
/** SQL of a migration that stops half way: Prisma has committed its first statement by then. */
const BROKEN = "alter table public.users add column half int; delete from public.users where id < 20; select 1 / 0;";

interface Migrator {
  readonly command: readonly string[];
  /** Writes a project without migrations. */
  begin(folder: string, url: string): void;
  add(folder: string, name: string, sql: string): void;
  readonly said: RegExp;
}

const prisma: Migrator = {
  command: ["node_modules/.bin/prisma", "migrate", "deploy"],
  begin(folder) {
    mkdirSync(join(folder, "prisma/migrations"), { recursive: true });
    writeFileSync(join(folder, "prisma/migrations/migration_lock.toml"), 'provider = "postgresql"\n');
    writeFileSync(
      join(folder, "prisma/schema.prisma"),
      'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\nmodel invoices {\n  id Int @id\n}\n',
    );
    writeFileSync(
      join(folder, "prisma.config.ts"),
      `import { PrismaPg } from "@prisma/adapter-pg";
import { defineConfig } from "prisma/config";
export default defineConfig({
  schema: "prisma/schema.prisma",
  experimental: { adapter: true },
  engine: "js",
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL }),
});
`,
    );
  },
  add(folder, name, sql) {
    mkdirSync(join(folder, "prisma/migrations", name));
    writeFileSync(join(folder, "prisma/migrations", name, "migration.sql"), sql);
  },
  said: /division by zero/,
};

const drizzle: Migrator = {
  command: ["node_modules/.bin/drizzle-kit", "migrate", "--config", "drizzle.config.json"],
  begin(folder, url) {
    mkdirSync(join(folder, "drizzle/meta"), { recursive: true });
    const config = JSON.parse(readFileSync(join(FOLDER, "drizzle.config.json"), "utf8"));
    writeFileSync(join(folder, "drizzle.config.json"), JSON.stringify({ ...config, dbCredentials: { url } }));
    writeFileSync(join(folder, "drizzle/meta/_journal.json"), '{ "entries": [] }');
  },
  add(folder, name, sql) {
    const file = join(folder, "drizzle/meta/_journal.json");
    const journal = JSON.parse(readFileSync(file, "utf8"));
    const idx = journal.entries.length;
    journal.entries.push({ idx, when: 1_764_000_000_000 + idx, tag: name, breakpoints: true });
    writeFileSync(file, JSON.stringify(journal));
    writeFileSync(join(folder, "drizzle", `${name}.sql`), sql.replaceAll("; ", ";\n--> statement-breakpoint\n"));
  },
  said: /applying migrations/,
};

for (const [name, migrator] of Object.entries({ Prisma: prisma, Drizzle: drizzle })) {
  test(`R40 ${name} under guard: a good migration stays, a failing one ends with the first fingerprint`, {
    skip: skipWithoutPostgres(),
  }, async (t) => {
    if (!need(t, `${name} (npm ci --prefix test/peers/migrators)`, existsSync(PACKAGES))) return;
    const production = await freshDatabase();
    const world = await beginWorld(t, { sources: { shop: production }, source: "checks: [{ table: users }]" });
    const [engineFile, summary] = [join(world.directory, "no-engine"), join(world.directory, "summary.md")];
    for (const file of [engineFile, summary]) writeFileSync(file, "");
    Object.assign(world.env, {
      PATH: `${dirname(process.execPath)}${delimiter}${world.env.PATH}`,
      DATABASE_URL: production.url,
      GITHUB_STEP_SUMMARY: summary,
      // One that exists is not downloaded. It is not used: `engine: "js"`.
      PRISMA_QUERY_ENGINE_LIBRARY: engineFile,
      CHECKPOINT_DISABLE: "1",
    });
    symlinkSync(PACKAGES, join(world.directory, "node_modules"));
    migrator.begin(world.directory, production.url);
    const guard = (feature: string, ...rest: readonly string[]) =>
      world.run("guard", "shop", "--feature", feature, ...rest, "--", ...migrator.command);
    const digest = async (): Promise<unknown> => {
      const { schema, tables } = await engine.fingerprint(production, { kind: "full" });
      return { schema, tables };
    };

    migrator.add(world.directory, "20260101000000_users", USERS);
    const good = await guard("users");
    assert.equal(good.exit, 0, good.stdout + good.stderr);
    assert.match(good.stdout, /migrations? (?:have been successfully )?applied/, "its output is passed through");
    assert.match(readFileSync(summary, "utf8"), /✅ Guarded change `users` of `shop`: succeeded/);
    assert.deepEqual(await query(production, "select count(*)::int as n from public.users"), [{ n: 50 }]);

    const before = await digest();
    migrator.add(world.directory, "20260102000000_broken", BROKEN);
    const broken = await guard("broken", "--rollback");
    assert.equal(broken.exit, 1, `the status of the command is kept\n${broken.stdout}${broken.stderr}`);
    assert.match(broken.stdout + broken.stderr, migrator.said);
    assert.match(broken.stdout, /guarded change broken of shop: rolled back/);
    assert.match(readFileSync(summary, "utf8"), /❌ Guarded change `broken` of `shop`: rolled back[\s\S]*\| command \| status 1 after /);
    assert.deepEqual(await digest(), before);

    // The corrected migration runs: what the tool remembers of the failed one was set back too.
    for (const place of ["prisma/migrations", "drizzle"]) {
      const file = join(world.directory, place, place === "drizzle" ? "20260102000000_broken.sql" : "20260102000000_broken/migration.sql");
      if (existsSync(file)) writeFileSync(file, "alter table public.users add column whole int;");
    }
    const corrected = await guard("corrected");
    assert.equal(corrected.exit, 0, corrected.stdout + corrected.stderr);
    assert.deepEqual(await query(production, "select count(*)::int as n, count(whole)::int as whole from public.users"), [
      { n: 50, whole: 0 },
    ]);
    // Of Drizzle's loader, not of Lifeboat.
    for (const name of readdirSync(world.temporary)) if (name.startsWith("tsx-")) rmSync(join(world.temporary, name), { recursive: true });
    await world.assertNothingLeft();
  });
}
