import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { MongoClient } from "mongodb";
import { isLifeboatError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import type { Scratch, ScratchRequest } from "../../src/ports/provider.ts";
import type { Resource } from "../../src/ports/resource.ts";
import { markProcess } from "../../src/process/marks.ts";
import { createMongodbProvider } from "../../src/providers/mongodb/provider.ts";
import { testMaker } from "../support/maker.ts";
import { beginMongoWorld } from "../support/mongo-world.ts";
import { mongodDirectory, skipUnlessReadable } from "../support/mongod.ts";

const NOWHERE = "mongodb://127.0.0.1:1/shop";
const needsProgram = { skip: skipUnlessReadable() };
let jobs = 0;

function request(serverMajor = 4, signal?: AbortSignal): { readonly declared: Resource[]; readonly request: ScratchRequest } {
  const declared: Resource[] = [];
  const jobId = `j${process.pid}x${jobs++}`;
  return { declared, request: { serverMajor, signal, maker: testMaker(jobId), declare: async (resource) => void declared.push(resource) } };
}

async function insertInto({ connection }: Scratch, database = "restored"): Promise<void> {
  const client = new MongoClient(connection.url, { serverSelectionTimeoutMS: 5_000 });
  try {
    await client.db(database).collection("a").insertOne({ a: 1 });
  } finally {
    await client.close();
  }
}

test("R28 a scratch server is declared before it is created, private, and removed at the end", needsProgram, async () => {
  await using program = await mongodDirectory();
  const provider = createMongodbProvider({ url: Secret.of(NOWHERE), tools: program.directory });
  assert.equal(provider.capabilities.scratch, true);
  assert.match(await provider.checkScratch(8), /temporary MongoDB 8\.0\.4 server can be started/);
  const { declared, request: asked } = request();
  const scratch = await provider.beginScratch({
    ...asked,
    async declare(resource) {
      assert.ok(!existsSync(resource.locator.directory ?? ""));
      await asked.declare(resource);
    },
  });
  const { directory = "" } = scratch.resource.locator;
  assert.deepEqual(declared, [scratch.resource]);
  assert.match(directory, new RegExp(asked.maker.jobId));
  assert.ok(scratch.ownServer);
  assert.equal((await stat(join(directory, "s"))).mode & 0o777, 0o700);
  if (process.getuid?.() === 0) assert.notEqual((await stat(join(directory, "data"))).uid, 0);
  await insertInto(scratch);
  const pid = Number(await readFile(join(directory, "data/mongod.lock"), "utf8"));
  await scratch.end();
  await scratch.end();
  assert.ok(!existsSync(directory));
  assert.equal(await markProcess(pid), undefined);
  assert.equal(await provider.undo(scratch.resource, asked.maker), "absent");
});

test("R28 the remains of a scratch server after a crash are removed by its locator, on its host only", needsProgram, async () => {
  await using program = await mongodDirectory();
  const provider = createMongodbProvider({ url: Secret.of(NOWHERE), tools: program.directory });
  const { request: asked } = request();
  const { resource } = await provider.beginScratch(asked);
  const { directory = "" } = resource.locator;
  const { supervisor } = JSON.parse(await readFile(join(directory, "lifeboat.json"), "utf8")) as { supervisor: { pid: number } };
  const pid = Number(await readFile(join(directory, "data/mongod.lock"), "utf8"));
  assert.equal(await provider.undo({ ...resource, locator: { ...resource.locator, host: "another" } }, asked.maker), "elsewhere");
  process.kill(supervisor.pid, "SIGKILL");
  assert.equal(await provider.undo(resource, asked.maker), "removed");
  assert.ok(!existsSync(directory));
  assert.equal(await markProcess(pid), undefined);
});

test("R28 a directory of another owner is never removed", needsProgram, async () => {
  await using program = await mongodDirectory();
  const provider = createMongodbProvider({ url: Secret.of(NOWHERE), tools: program.directory });
  const { maker, ...asked } = request().request;
  const { resource } = await provider.beginScratch({ ...asked, maker });
  try {
    for (const other of [testMaker("another"), testMaker(maker.jobId, { secret: "another" })])
      await assert.rejects(provider.undo(resource, other), (error) => isLifeboatError(error, "SCRATCH_FAILED"));
    assert.ok(existsSync(resource.locator.directory ?? ""));
  } finally {
    await provider.undo(resource, maker);
  }
});

test("R28 a server that does not start is told with its own words, and nothing of it is left", async () => {
  await using program = await mongodDirectory(
    "8.0.4",
    `echo '{"s":"E","msg":"Failed to unlink socket file","attr":{"error":"no room"}}'\nexit 48`,
  );
  const provider = createMongodbProvider({ url: Secret.of(NOWHERE), tools: program.directory });
  const { declared, request: asked } = request();
  await assert.rejects(
    provider.beginScratch(asked),
    (error) => isLifeboatError(error, "SCRATCH_FAILED") && /Failed to unlink socket file: no room/.test(error.message),
  );
  assert.ok(!existsSync(declared[0]?.locator.directory ?? "/"));
});

test("R28 without a program, or with an old one, the next step is named and nothing is declared", async () => {
  await using old = await mongodDirectory("6.0.1");
  const empty = join(old.directory, "empty");
  await mkdir(empty);
  const { declared, request: asked } = request(8);
  const missing = createMongodbProvider({ url: Secret.of(NOWHERE), tools: empty });
  assert.equal(missing.capabilities.scratch, false);
  await assert.rejects(missing.beginScratch(asked), (error) => isLifeboatError(error, "TOOL_MISSING") && /scratch\.url/.test(error.hint));
  const older = createMongodbProvider({ url: Secret.of(NOWHERE), tools: old.directory });
  await assert.rejects(older.beginScratch(asked), (error) => isLifeboatError(error, "TOOL_TOO_OLD") && /6\.0\.1/.test(error.message));
  await assert.rejects(older.checkScratch(8), (error) => isLifeboatError(error, "TOOL_TOO_OLD"));
  assert.deepEqual(declared, []);
});

test("R28 on a named server, scratch is a database of the job, and no other one is touched", async () => {
  await using source = await beginMongoWorld();
  await using server = await beginMongoWorld();
  await server.db("precious").collection("a").insertOne({ a: 1 });
  const provider = createMongodbProvider({ url: Secret.of(source.url("shop")), scratch: { url: Secret.of(server.url()) } });
  assert.match(await provider.checkScratch(8), /databases can be made on the scratch server/);
  const { declared, request: asked } = request();
  const scratch = await provider.beginScratch(asked);
  const name = `lifeboat_${asked.maker.jobId}`;
  assert.deepEqual(declared, [scratch.resource]);
  await insertInto(scratch, name);
  const forged = { ...scratch.resource, locator: { ...scratch.resource.locator, database: "precious" } };
  await assert.rejects(provider.undo(forged, asked.maker), (error) => isLifeboatError(error, "SCRATCH_FAILED"));
  assert.equal(await createMongodbProvider({ url: Secret.of(source.url("shop")) }).undo(scratch.resource, asked.maker), "elsewhere");
  assert.equal(await provider.undo(scratch.resource, asked.maker), "removed");
  const { databases } = await server.client.db("admin").admin().listDatabases();
  const left = databases.map((each) => each.name);
  assert.ok(left.includes("precious") && !left.includes(name), left.join());
  await scratch.end();
});

test("R28 several databases need a scratch server that holds none, which is empty again afterwards", async () => {
  await using source = await beginMongoWorld();
  await using server = await beginMongoWorld();
  const provider = createMongodbProvider({ url: Secret.of(source.url()), scratch: { url: Secret.of(server.url()) } });
  const user = async () =>
    (await server.client.db("admin").admin().listDatabases()).databases
      .map(({ name }) => name)
      .filter((name) => !/^(admin|local|config)$/.test(name));
  await server.db("precious").collection("a").insertOne({ a: 1 });
  await assert.rejects(
    provider.beginScratch(request().request),
    (error) => isLifeboatError(error, "SCRATCH_FAILED") && /precious/.test(error.message),
  );
  await assert.rejects(provider.checkScratch(8), (error) => isLifeboatError(error, "SCRATCH_FAILED"));
  assert.deepEqual(await user(), ["precious"]);
  await server.db("precious").dropDatabase();

  const scratch = await provider.beginScratch(request().request);
  await insertInto(scratch, "shop");
  await insertInto(scratch, "logs");
  const second = request();
  await assert.rejects(provider.beginScratch(second.request), (error) => isLifeboatError(error));
  for (const resource of second.declared) await assert.rejects(provider.undo(resource, second.request.maker), /does not carry the mark/);
  assert.deepEqual(
    (await user()).filter((name) => !name.startsWith("lifeboat")),
    ["logs", "shop"],
  );
  await scratch.end();
  assert.deepEqual(await user(), []);
});

test("R28 a scratch server that is the source itself is refused before anything is made", async () => {
  await using source = await beginMongoWorld();
  for (const [url, scratch] of [
    [source.url("shop"), source.url("shop")],
    [source.url("shop"), source.url()],
    [source.url(), source.url()],
  ] as const) {
    const { declared, request: asked } = request();
    const provider = createMongodbProvider({ url: Secret.of(url), scratch: { url: Secret.of(scratch) } });
    await assert.rejects(provider.beginScratch(asked), (error) => isLifeboatError(error, "SOURCE_WRITE_REFUSED"));
    assert.deepEqual(declared, []);
  }
});

test("R28 a source that is down does not keep a drill from its scratch server", async () => {
  await using server = await beginMongoWorld();
  const provider = createMongodbProvider({
    url: Secret.of(`${NOWHERE}?serverSelectionTimeoutMS=500`),
    scratch: { url: Secret.of(server.url()) },
  });
  const scratch = await provider.beginScratch(request().request);
  await scratch.end();
});

test("R28 a scratch server without a process id is distinguished from the source by the source's data", async () => {
  const anonymous = { anonymous: true, replicaSet: false } as const;
  await using source = await beginMongoWorld(anonymous);
  await using server = await beginMongoWorld(anonymous);
  const provider = (scratch: string) => createMongodbProvider({ url: Secret.of(source.url("shop")), scratch: { url: Secret.of(scratch) } });
  const refused = (error: unknown): boolean => isLifeboatError(error, "SOURCE_WRITE_REFUSED");
  await assert.rejects(provider(server.url()).checkScratch(8), refused, "of an empty source nothing is known");
  await source.db("shop").collection("users").insertOne({ n: 1 });
  assert.match(await provider(server.url()).checkScratch(8), /databases can be made/);
  await (await provider(server.url()).beginScratch(request().request)).end();
  await assert.rejects(provider(source.url()).checkScratch(8), refused);
  await server.db("shop").collection("users").insertOne({ n: 1 });
  await assert.rejects(provider(server.url()).checkScratch(8), refused, "a copy cannot be told from the source");
});
