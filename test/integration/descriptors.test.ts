// A provider and a storage that are added by one folder and one line: everything else learns of them by itself.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect, promisify } from "node:util";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { guessProvider, sourceYaml } from "../../src/cli/commands/init-source.ts";
import { compose, openStorage, trustIn } from "../../src/compose.ts";
import { loadConfig, parseConfig } from "../../src/config/load.ts";
import { isLifeboatError } from "../../src/core/errors.ts";
import { DESCRIPTORS } from "../../src/descriptors.ts";
import { backup } from "../../src/operations/backup/backup.ts";
import { pointsOf } from "../../src/operations/points/points.ts";
import { checkRepository, checkSource } from "../../src/operations/watch/check.ts";
import type { Descriptors } from "../../src/ports/descriptor.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import { createRepository } from "../../src/repository/open.ts";
import { generateWriter } from "../../src/repository/trust.ts";
import { configurationPage } from "../../tools/pages/configuration.ts";
import { editorSchema } from "../../tools/pages/schema.ts";
import { harbour, shelf } from "../support/harbour/index.ts";
import { OFFICE } from "../support/harbour/provider.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { drivenClock, temporaryDirectory } from "../support/repository.ts";

const descriptors: Descriptors = {
  providers: [...DESCRIPTORS.providers, harbour],
  storages: [...DESCRIPTORS.storages, shelf],
  notifiers: DESCRIPTORS.notifiers,
  queues: DESCRIPTORS.queues,
  cutOvers: DESCRIPTORS.cutOvers,
};

const RECIPIENT = await identityToRecipient(await generateIdentity());
const TOKEN = "red-lantern";

const text = (url: string, source: string): string => `version: 1
repository: { url: "${url}", encryption: { recipients: [${RECIPIENT}] }, signing: { keyFile: writer.pem } }
sources:
${source}
`;

const refused = (source: string, url = "shelf://left"): string => {
  try {
    parseConfig(text(url, source), { file: "/lifeboat.yaml", cwd: "/", env: {}, descriptors });
  } catch (error) {
    if (isLifeboatError(error, "CONFIG_INVALID")) return error.message;
    throw error;
  }
  return assert.fail(`nothing was refused in ${source}`);
};

test("R52 a new provider and storage are checked, completed and documented by their descriptors", () => {
  assert.match(refused("  b: { provider: harbour }"), /4:3: sources\.b: provider harbour needs berth$/);
  assert.match(refused("  b: { provider: harbour, berth: none }"), /sources\.b\.berth must be a whole number/);
  assert.match(refused("  b: { provider: harbour, berth: 13, plan: season }"), /sources\.b: berth 13 is rented by the day only/);
  assert.match(refused("  b: { provider: harbour, berth: 7, projectId: x }"), /provider harbour has no option projectId/);
  assert.match(refused("  b: { provider: neon, berth: 7, projectId: x }"), /provider neon has no option berth/);
  assert.match(refused("  b: { provider: harbor, berth: 7 }"), /not "harbor"; did you mean "harbour"\?/);
  assert.match(
    refused("  b: { provider: harbour, berth: 7, checks: [{ collection: c }] }"),
    /provider harbour has no collection: use `table`/,
  );
  assert.match(refused("  b: { provider: harbour, berth: 7 }", "shed://left"), /starts with file:\/\/ or s3:\/\/ or shelf:\/\//);
  assert.match(
    refused("  b: { provider: harbour, berth: 7 }", 'shelf://left", storage: { hight: 2 }, x: "'),
    /has no option "hight"; did you mean "height"/,
  );

  const schema = JSON.stringify(JSON.parse(editorSchema(descriptors)));
  for (const said of ['"harbour"', '"berth":{"description":"Number of the berth."', '"height":{"description":"How high it hangs."'])
    assert.ok(schema.includes(said), said);
  const page = configurationPage(descriptors);
  for (const said of [
    "`sources.NAME` with provider `harbour`",
    "Number of the berth.",
    "7m (harbour)",
    "`repository.storage` with storage `shelf`",
  ])
    assert.ok(page.includes(said), said);

  const written = sourceYaml("b", guessProvider(descriptors.providers, { HARBOUR_TOKEN: "x" }, "DATABASE_URL") ?? harbour, "DATABASE_URL");
  assert.match(written, /provider: harbour\n {4}berth: 7\n {4}policy: standard\n {4}objectives: \{ rto: 7m, rpo: 3m \}/);
});

test("R20 a new provider and storage work, and a secret is read only to connect", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const cwd = await temporaryDirectory(t);
  writeFileSync(join(cwd, "writer.pem"), generateWriter().pem, { mode: 0o600 });
  const file = join(cwd, "lifeboat.yaml");
  writeFileSync(file, text("shelf://left?h=3", "  b: { provider: harbour, berth: 7 }"));
  const database = await freshDatabase();
  await query(database, "create table orders as select generate_series(1, 7) as id");
  OFFICE.set(`7 ${TOKEN}`, database.url);

  const without = loadConfig({ file, cwd, env: {}, descriptors });
  const config = loadConfig({ file, cwd, env: { HARBOUR_TOKEN: TOKEN }, descriptors });
  assert.ok(config.secrets.includes(TOKEN));
  assert.match(inspect(config.source("b").own.read()), /\[secret from HARBOUR_TOKEN\]/);

  const clock = { ...drivenClock(), now: () => new Date() };
  const storage = await openStorage(config, { create: true });
  await createRepository(storage, [RECIPIENT], clock, trustIn(config));
  const watch = { signal: new AbortController().signal, progress: silentProgress };
  const around = { clock, lifeboat: "test", env: { XDG_STATE_HOME: cwd, XDG_CACHE_HOME: cwd } };

  await using tokenless = await opened(without);
  const [poor] = tokenless.context.sources.values();
  assert.ok(poor !== undefined);
  assert.deepEqual(poor.objective, { rtoSeconds: 420, rpoSeconds: 180 });
  assert.equal(poor.windowMs, 86_400_000);
  assert.equal(poor.provider.name, "harbour", "made without the secret");
  await assert.rejects(poor.provider.connection(), (error: unknown) => {
    assert.ok(isLifeboatError(error, "SECRET_MISSING"));
    assert.equal(error.message, "the token of b is not given");
    assert.equal(error.hint, "set token in the source, or the variable HARBOUR_TOKEN");
    return true;
  });

  await using rich = await opened(config);
  const { context } = rich;
  const [source] = context.sources.values();
  assert.ok(source !== undefined);
  const findings = [...(await checkRepository(context, watch)), ...(await checkSource(context, source, watch))];
  assert.deepEqual(
    findings.filter(({ outcome, name }) => outcome === "fail" && name !== "key").map(({ message }) => message),
    [],
  );
  const { manifest } = await backup(context, source, { kind: "full", reason: "manual" }, watch);
  assert.equal(manifest.provider, "harbour");
  assert.deepEqual(
    (await pointsOf(context, "b")).map(({ point }) => point.name),
    [manifest.name],
  );

  async function opened(of: typeof config) {
    const composed = await compose(of, around);
    return { context: composed, [Symbol.asyncDispose]: () => composed.close() };
  }
});

test("R52 list loads no engine, no driver and no SDK: neither the secret nor the server is asked for", async (t) => {
  const cwd = await temporaryDirectory(t);
  const log = join(cwd, "loaded");
  const hook = join(cwd, "hook.mjs");
  writeFileSync(
    hook,
    `import { appendFileSync } from "node:fs";
     import { registerHooks } from "node:module";
     registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(log)}, url + "\\n"); return next(url, context); } });`,
  );
  const program = fileURLToPath(new URL("../../bin/lifeboat", import.meta.url));
  const lifeboat = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    promisify(execFile)(program, args, { cwd, env: { PATH: process.env.PATH, HOME: cwd, ...env } });
  await lifeboat(["init", "--repository", "backups", "--source", "shop", "--provider", "postgres"]);
  const { stdout } = await lifeboat(["list", "--json"], { NODE_OPTIONS: `--import ${hook}` });
  assert.deepEqual(JSON.parse(stdout).points, []);
  const loaded = readFileSync(log, "utf8").split("\n");
  assert.ok(loaded.some((url) => url.endsWith("/src/compose.ts")));
  const heavy = loaded.filter((url) =>
    /\/src\/(engines|providers)\/(?!\w+\/index\.ts)|\/node_modules\/(pg|mongodb|@aws-sdk|@neon)\//.test(url),
  );
  assert.deepEqual(
    heavy.filter((url) => !url.endsWith("/self-hosted.ts")),
    [],
  );
});
