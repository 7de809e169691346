// A source that takes approval: what changes its production takes a second person, and an agent answers questions without being able to.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import type { Connection } from "../../src/ports/connection.ts";
import { thisOwner } from "../../src/repository/owner.ts";
import { generateWriter } from "../../src/repository/trust.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, PROGRAM, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();
const [ada, bob, eve] = [generateWriter(), generateWriter(), generateWriter()];

interface Guarded {
  readonly world: World;
  readonly shop: Connection;
  /** Name of its database. */
  readonly database: string;
  /** Bodies that the channel received. */
  readonly told: string[];
  keyFile(name: string, pem: string): string;
}

async function guarded(t: TestContext): Promise<Guarded> {
  const shop = await freshDatabase();
  await query(
    shop,
    "create table orders as select 4700 + i as id, 'open' as state from generate_series(1, 20) i; alter table orders add primary key (id)",
  );
  const told: string[] = [];
  const server = createServer(async (request, response) => {
    told.push(Buffer.concat(await request.toArray()).toString());
    response.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const { user, host } = thisOwner();
  const yaml = `approval: { approvers: { ada: { key: ${ada.publicKey} }, bob: { key: ${bob.publicKey}, identities: ["${user}@${host}"] } } }
notify: { ops: { kind: webhook, url: "http://127.0.0.1:${port}/", secret: "whsec_${Buffer.alloc(32).toString("base64")}" } }\n`;
  const world = await beginWorld(t, { sources: { shop }, source: "approval: required", yaml });
  const keyFile = (name: string, pem: string): string => {
    const file = join(world.directory, `${name}.pem`);
    writeFileSync(file, pem, { mode: 0o600 });
    return file;
  };
  const databaseOf = ({ url }: Connection): string => /\/([^/?]+)(?:\?|$)/.exec(url)?.[1] ?? "";
  return { world, shop, database: databaseOf(shop), told, keyFile };
}

test("R45 a restore of a guarded source takes a second person, exactly that plan, once", { skip }, async (t) => {
  const { world, shop, database, told: messages, keyFile } = await guarded(t);
  const refused = async (why: RegExp, ...args: readonly string[]): Promise<void> => {
    const ran = await world.expect(13, ...args, "--json");
    assert.match(ran.message ?? "", why, args.join(" "));
  };
  await world.expect(0, "backup", "shop");
  await query(shop, "delete from orders where id = 4711");
  const order = ["restore", "shop", "--into", database, "--replace", "--yes", "shop"];
  await refused(/takes the approval of a second person/, ...order);
  const { id, digest, plan } = (await world.expect(0, ...order, "--request-approval", "--json")).json();
  assert.equal(plan.digest, digest);
  await refused(/not signed by an approver/, "restore", "shop", "--approved", id);

  const approve = ["approve", id, "--digest", digest.slice(0, 12), "--key"];
  await refused(/not one of an approver/, ...approve, keyFile("eve", eve.pem));
  await refused(/was asked for by bob/, ...approve, keyFile("bob", bob.pem));
  await refused(/has digest/, "approve", id, "--digest", "000000000000", "--key", keyFile("ada", ada.pem));
  assert.deepEqual((await world.expect(0, ...approve, keyFile("ada", ada.pem), "--json")).json().approvers, ["ada"]);

  await refused(/another request/, "restore", "shop", "--approved", id, "--to", "5m");
  await refused(/another request/, "restore", "shop", "--approved", id, "--as-superuser");
  const restored = (await world.expect(0, "restore", "shop", "--approved", id, "--json")).json();
  assert.equal((await query<{ n: string }>(shop, "select count(*) n from orders where id = 4711"))[0]?.n, "1");
  await refused(/was used already/, "restore", "shop", "--approved", id);
  for (const name of readdirSync(join(world.repository, "approvals", id))) {
    if (name.startsWith("end.json")) rmSync(join(world.repository, "approvals", id, name));
  }
  await refused(/was used already/, "restore", "shop", "--approved", id); // the audit log knows

  const next = (await world.expect(0, ...order, "--request-approval", "--json")).json();
  await world.expect(0, "approve", next.id, "--digest", next.digest, "--key", keyFile("ada", ada.pem));
  await query(shop, "create table later ()");
  await refused(/another plan/, "restore", "shop", "--approved", next.id);

  await refused(/takes the approval/, "accept", restored.job, "--yes", "shop");
  assert.equal(messages.length, 0);
  await world.expect(0, ...order, "--break-glass", "production is down and no one answers");
  assert.equal(messages.filter((body) => body.includes("BREAK_GLASS") && body.includes("no one answers")).length, 1);

  // A frozen merge shows rows, until it ends: who erases a person is told of it.
  await query(shop, "delete from orders where id = 4712");
  const merge = (await world.expect(0, "restore", "shop", "--merge", "--tables", "orders", "--request-approval", "--json")).json();
  const sealed = () => readdirSync(join(world.repository, "approvals", merge.id)).filter((name) => name.endsWith(".age"));
  assert.equal(sealed().length, 1);
  const erase = (table: string, ...rest: string[]) =>
    world.expect(0, "forget", "shop", "--table", table, "--key", "4712", "--reason", "DSAR-1", ...rest);
  const told = `leave approval ${merge.id} open (the plan of its restore shows rows of these tables until ${merge.expiresAt}, and is refused when an erased one is part of it; \`lifeboat approvals revoke ${merge.id}\` removes it)`;
  assert.ok((await erase("orders", "--plan")).stdout.includes(told), "the plan of the erasure says so");
  assert.equal(sealed().length, 1, "and removes nothing");
  const revokes = async (table: string) =>
    (await erase(table, "--json"))
      .json()
      .next.some(({ commands }: { commands: string[] }) => commands.includes(`lifeboat approvals revoke ${merge.id}`));
  await query(shop, "create table other (id int primary key)");
  assert.ok(!(await erase("other", "--plan")).stdout.includes(merge.id), "it shows no row of that table");
  assert.deepEqual([await revokes("other"), await revokes("orders")], [false, true]);
  await world.expect(0, "approve", merge.id, "--digest", merge.digest, "--key", keyFile("ada", ada.pem));
  await refused(/another plan/, "restore", "shop", "--approved", merge.id);
  await world.expect(0, "approvals", "revoke", merge.id);
  assert.deepEqual(sealed(), []);

  const { entries } = (await world.expect(0, "audit", "shop", "--json")).json();
  const glass = entries.find(({ event }: { event: string }) => event === "break-glass");
  assert.deepEqual([glass.operation, glass.reason], ["restore", "production is down and no one answers"]);
  const used = entries.find(({ event, approval }: { event: string; approval: string }) => event === "begin" && approval === id);
  assert.deepEqual([used.digest, used.approvers, used.job], [digest, ["ada"], restored.job]);
  const pem = join(world.directory, "public.pem");
  writeFileSync(pem, (await world.expect(0, "key", "show", join(world.directory, "writer.pem"), "--pem")).stdout);
  const judge = join(import.meta.dirname, "../support/audit-judge.py");
  const { stdout } = await promisify(execFile)("python3", [judge, world.repository, pem]);
  const verified = (await world.expect(0, "audit", "verify", "--json")).json();
  assert.equal(stdout.trim(), `${verified.size} ${verified.root}`, "as recomputed from docs/format.md");
  await world.assertNothingLeft();
});

test("R45 R40 a guard that was killed ends without setting guarded production back, and the next one runs", { skip }, async (t) => {
  const { world, shop } = await guarded(t);
  const guard = (feature: string, ...command: readonly string[]) => ["guard", "shop", "--feature", feature, "--json", "--", ...command];
  const mark = join(world.directory, "half-way");
  const running = world.start(...guard("cut", "/bin/sh", "-c", `touch ${mark}; exec sleep 60 > /dev/null 2>&1`));
  while (!existsSync(mark)) await sleep(20);
  running.kill("SIGKILL");
  await running.ended;
  await query(shop, "delete from orders where id = 4711");
  assert.equal((await world.expect(13, "guard", "shop", "--feature", "cut", "--rollback", "--json", "--", "true")).code, "APPROVAL_NEEDED");
  const { outcome, rollback, point, next } = (await world.expect(1, ...guard("cut", "true"))).json();
  assert.deepEqual([outcome, rollback], ["failed", null]);
  assert.deepEqual(next[0].commands, [`lifeboat restore shop --to ${point.id} --in-place --yes shop --request-approval`]);
  assert.equal((await query<{ n: string }>(shop, "select count(*) n from orders"))[0]?.n, "19", "it was not set back");
  assert.equal((await world.expect(0, ...guard("next", "true"))).json().outcome, "succeeded");
  await world.assertNothingLeft();
});

/** An agent's client of the real program. */
async function agent(t: TestContext, { configFile, env, directory }: World, ...options: readonly string[]) {
  const client = new Client({ name: "test", version: "1" });
  const args = ["--config", configFile, "mcp", ...options];
  await client.connect(new StdioClientTransport({ command: PROGRAM, args, env, cwd: directory, stderr: "ignore" }));
  t.after(() => client.close());
  const call = async (name: string, given: Record<string, unknown> = {}) => {
    const answer = await client.callTool({ name, arguments: given });
    const [first] = answer.content as { readonly text: string }[];
    return { failed: answer.isError === true, ...JSON.parse(first?.text ?? "{}") };
  };
  return { client, call };
}

test("R64 an agent finds the restore point that still holds order 4711, and cannot change production", { skip }, async (t) => {
  const { world, shop, database } = await guarded(t);
  await world.expect(0, "backup", "shop");
  await query(shop, "delete from orders where id = 4711");
  await world.expect(0, "backup", "shop");

  const reader = await agent(t, world);
  const { tools } = await reader.client.listTools();
  assert.deepEqual(
    tools.filter(({ annotations }) => annotations?.readOnlyHint !== true).map(({ name }) => name),
    [],
  );
  const names = new Set(tools.map(({ name }) => name));
  for (const name of ["status", "list", "show", "preview", "plan_restore", "audit"]) assert.ok(names.has(name), name);
  for (const name of ["restore", "backup", "approve", "accept", "expire"]) assert.ok(!names.has(name), name);
  assert.equal((await reader.call("status")).result.sources[0].name, "shop");
  const { result, notice } = await reader.call("list", { source: "shop" });
  assert.match(notice, /never instructions/);
  const holding: string[] = [];
  for (const { id } of result.points) {
    const { answer } = (await reader.call("preview", { point: id, query: "select count(*) as n from orders where id = 4711" })).result;
    if (Number(answer.rows[0][0]) === 1) holding.push(id);
  }
  assert.deepEqual(holding, [result.points[0].id], "the older one");
  const refused = await reader.client.callTool({ name: "restore", arguments: { source: "shop" } });
  assert.match(JSON.stringify(refused), /restore changes something: it is a tool of `lifeboat mcp --allow-changes` alone/);
  await reader.client.close();

  const maker = await agent(t, world, "--allow-changes");
  const request = { source: "shop", to: holding[0], into: database, replace: true, yes: "shop" };
  const asked = (await maker.call("restore", request)).result;
  assert.match(asked.next[0].commands[0], /^lifeboat approve /);
  const glass = await maker.call("restore", { ...request, breakGlass: "the agent is in a hurry" });
  assert.deepEqual([glass.failed, glass.result.error.code], [true, "USAGE"]);
  assert.equal((await query<{ n: string }>(shop, "select count(*) n from orders where id = 4711"))[0]?.n, "0", "nothing was changed");
  const { approvals } = (await maker.call("approvals")).result;
  assert.deepEqual([approvals[0].id, approvals[0].stage, approvals[0].requestedBy.split(", ")[1]], [asked.id, "waiting", "mcp"]);
});

test("R64 the last question of a client that has closed its end is answered", { skip }, async (t) => {
  const { world } = await guarded(t);
  const child = spawn(PROGRAM, ["--config", world.configFile, "mcp"], { env: world.env, cwd: world.directory });
  const client = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "hand", version: "1" } };
  const requests = [
    { id: 1, method: "initialize", params: client },
    { method: "notifications/initialized" },
    { id: 2, method: "tools/call", params: { name: "status", arguments: {} } },
  ];
  child.stdin.end(requests.map((one) => `${JSON.stringify({ jsonrpc: "2.0", ...one })}\n`).join(""));
  const answers = Buffer.concat(await child.stdout.toArray())
    .toString()
    .trimEnd()
    .split("\n");
  assert.deepEqual(
    answers.map((one) => JSON.parse(one).id),
    [1, 2],
  );
  assert.match(answers[1] ?? "", /NO_BACKUP/);
});
