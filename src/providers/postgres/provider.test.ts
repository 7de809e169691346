import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testMaker } from "../../../test/support/maker.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../../../test/support/postgres.ts";
import { isLifeboatError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { connectionFromUrl } from "../../engines/postgres/connect/url.ts";
import type { Resource } from "../../ports/resource.ts";
import { createPostgresProvider } from "./provider.ts";

const needsServer = { skip: skipWithoutPostgres() };
let jobs = 0;

function request(serverMajor = 10) {
  const declared: Resource[] = [];
  return {
    declared,
    request: {
      maker: testMaker(`j${process.pid}x${jobs++}`),
      serverMajor,
      declare: async (resource: Resource) => void declared.push(resource),
    },
  };
}

const databases = async (): Promise<unknown[]> => {
  const rows = await query((await sharedCluster()).connection("postgres"), "select datname::text as d from pg_database");
  return rows.map((row) => row.d);
};

test("a scratch cluster is declared before it is made, empty, described, and gone at the end", needsServer, async () => {
  const provider = createPostgresProvider({ url: Secret.of("postgres://u@127.0.0.1:1/d") });
  const { declared, request: asked } = request();
  const scratch = await provider.beginScratch({
    ...asked,
    async declare(resource) {
      assert.ok(!existsSync(resource.locator.directory ?? ""));
      await asked.declare(resource);
    },
  });
  assert.deepEqual(declared, [scratch.resource]);
  assert.match(scratch.resource.locator.directory ?? "", new RegExp(asked.maker.jobId));
  assert.match(scratch.description, /temporary .* fsync off: times may be better/);
  assert.deepEqual(await query(scratch.connection, "select current_database()::text as d"), [{ d: "scratch" }]);
  await scratch.end();
  await scratch.end();
  assert.ok(!existsSync(scratch.resource.locator.directory ?? "/"));
  assert.equal(await provider.undo(scratch.resource, asked.maker), "absent");
});

test("without a server that is new enough, the package to install is named and nothing is declared", needsServer, async (t) => {
  const empty = mkdtempSync(join(tmpdir(), "lifeboat-none-"));
  t.after(() => rmSync(empty, { recursive: true }));
  const { declared, request: asked } = request(15);
  const missing = createPostgresProvider({ url: Secret.of("postgres://u@h/d"), tools: empty });
  await assert.rejects(
    missing.beginScratch(asked),
    (error) => isLifeboatError(error, "TOOL_MISSING") && /postgresql-15\b/.test(error.hint),
  );
  const old = createPostgresProvider({ url: Secret.of("postgres://u@h/d") });
  await assert.rejects(
    old.beginScratch({ ...asked, serverMajor: 99 }),
    (error) => isLifeboatError(error, "TOOL_TOO_OLD") && /postgresql-99\b/.test(error.hint),
  );
  assert.deepEqual(declared, []);
});

test("on a given server, scratch is a database of the job's own, dropped even while a client is connected", needsServer, async () => {
  const source = await freshDatabase();
  const server = (await sharedCluster()).connection("postgres");
  const provider = createPostgresProvider({ url: Secret.of(source.url), scratch: { url: Secret.of(server.url), isolation: "none" } });
  const { declared, request: asked } = request();
  const scratch = await provider.beginScratch(asked);
  const name = `lifeboat_scratch_${asked.maker.jobId}`;
  assert.deepEqual(declared, [scratch.resource]);
  assert.ok((await databases()).includes(name));
  assert.ok(!JSON.stringify(scratch.resource).includes(new URL(server.url.replace("@/", "@h/")).password));
  const busy = query(scratch.connection, "select pg_sleep(1000)").catch(() => {});
  await scratch.end();
  await busy;
  assert.ok(!(await databases()).includes(name));
});

test("R57 a scratch server by its address needs the configuration's consent: it has no cell", needsServer, async () => {
  const { declared, request: asked } = request();
  const { url } = (await sharedCluster()).connection("postgres");
  for (const isolation of [undefined, "required"] as const) {
    const provider = createPostgresProvider({ url: Secret.of("postgres://u@h/d"), scratch: { url: Secret.of(url), isolation } });
    for (const act of [provider.beginScratch(asked), provider.checkScratch(15)]) {
      await assert.rejects(act, (error) => isLifeboatError(error, "ISOLATION_MISSING") && /scratch\.isolation: none/.test(error.hint));
    }
  }
  assert.deepEqual(declared, []);
});

test("a scratch server whose database is the source itself is refused before anything is made", needsServer, async () => {
  const source = await freshDatabase();
  const provider = createPostgresProvider({ url: Secret.of(source.url), scratch: { url: Secret.of(source.url), isolation: "none" } });
  const { declared, request: asked } = request();
  await assert.rejects(provider.beginScratch(asked), (error) => isLifeboatError(error, "SOURCE_WRITE_REFUSED"));
  assert.deepEqual(declared, []);
});

test("a source that is down does not keep a drill from its scratch server", needsServer, async () => {
  const server = (await sharedCluster()).connection("postgres");
  const provider = createPostgresProvider({
    url: Secret.of("postgres://u@127.0.0.1:1/d"),
    scratch: { url: Secret.of(server.url), isolation: "none" },
  });
  const scratch = await provider.beginScratch(request().request);
  await scratch.end();
});

test("R56 what a crash left without its mark is dropped only when it is empty", needsServer, async () => {
  const source = await freshDatabase();
  const server = (await sharedCluster()).connection("postgres");
  const provider = createPostgresProvider({ url: Secret.of(source.url), scratch: { url: Secret.of(server.url) } });
  const { maker } = request().request;
  const database = `lifeboat_scratch_${maker.jobId}`;
  const resource = { kind: "scratch-database", locator: { server: connectionFromUrl(server.url).label, database } };
  const made = await freshDatabase(database);
  await query(made, "create table mine (id int)");
  await assert.rejects(provider.undo(resource, maker), /carries no mark of Lifeboat's and holds public.mine/);
  await query(made, "drop table mine");
  assert.equal(await provider.undo(resource, maker), "removed");
  assert.equal(await provider.undo(resource, maker), "absent");
});

test("what a crash left on a scratch server is dropped by the locator, and nothing else ever is", needsServer, async () => {
  const source = await freshDatabase("precious");
  const server = (await sharedCluster()).connection("postgres");
  const provider = createPostgresProvider({ url: Secret.of(source.url), scratch: { url: Secret.of(server.url), isolation: "none" } });
  const { request: asked } = request();
  const { resource } = await provider.beginScratch(asked);
  const { maker } = asked;
  const forged = { ...resource, locator: { ...resource.locator, database: "precious" } };
  await assert.rejects(provider.undo(forged, maker), (error) => isLifeboatError(error, "SCRATCH_FAILED"));
  assert.equal(await createPostgresProvider({ url: Secret.of(source.url) }).undo(resource, maker), "elsewhere");
  await assert.rejects(provider.undo(resource, testMaker(maker.jobId, { secret: "another" })), /does not carry the mark of the job/);
  assert.equal(await provider.undo(resource, maker), "removed");
  const left = await databases();
  assert.ok(left.includes("precious") && !left.includes(resource.locator.database));
});

test("a pooled Neon address gives the direct connection", async () => {
  const provider = createPostgresProvider({ url: Secret.of("postgres://u:p@ep-a-1-pooler.eu.aws.neon.tech/d") });
  assert.match((await provider.connection()).label, /ep-a-1\.eu\.aws\.neon\.tech/);
});

test("R52 a parameter that libpq refuses is named with the place of its address, before anything connects", async () => {
  const url = Secret.of("postgres://u:p@127.0.0.1:1/d?connect_timeout=x", "lifeboat.yaml:4:10");
  const refused = (error: unknown) =>
    isLifeboatError(error, "CONFIG_INVALID") && /^lifeboat\.yaml:4:10: .*connect_timeout/.test(error.message);
  await assert.rejects(createPostgresProvider({ url }).connection(), refused);
  const provider = createPostgresProvider({ url: Secret.of("postgres://u@h/d"), scratch: { url, isolation: "none" } });
  await assert.rejects(provider.checkScratch(15), refused);
});
