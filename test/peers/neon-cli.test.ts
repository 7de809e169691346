// The judge of the Neon sandbox: the provider's own command line performs every command that we know against it, and the
// connection strings it prints work with psql.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connectionFromUrl } from "../../src/engines/postgres/connect/url.ts";
import { type NeonCli, openNeonCli } from "../support/neon-cli.ts";
import { type SandboxedNeon, startRealNeon } from "../support/neon-sandbox.ts";
import { openNeonShapes } from "../support/neon-shapes.ts";
import { psql, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

async function judged(t: { after(work: () => Promise<void>): void }): Promise<{ neon: SandboxedNeon; cli: NeonCli }> {
  const neon = await startRealNeon();
  t.after(() => neon.sandbox.close());
  const cli = await openNeonCli(neon.sandbox);
  t.after(async () => cli[Symbol.asyncDispose]());
  return { neon, cli };
}

/** Asserts that only the sandbox was called, and that requests and answers match the API's schemas (where available). */
function conclude({ sandbox }: SandboxedNeon, cli: NeonCli): void {
  assert.deepEqual(cli.strangers, []);
  const shapes = openNeonShapes();
  if (shapes === undefined) return;
  assert.deepEqual([...new Set(sandbox.faults.seen.flatMap((seen) => shapes.faults(seen)))], []);
}

const ask = (url: string, sql: string): Promise<string> => psql(connectionFromUrl(url.trim()), ["-c", sql]).then((text) => text.trim());

/** Past the millisecond in which the last commit was stamped. */
const moment = (neon: SandboxedNeon): Promise<string> =>
  new Promise((resolve) => setTimeout(() => resolve(neon.sandbox.now().toISOString()), 5)).then(
    (at) => new Promise<string>((resolve) => setTimeout(() => resolve(at as string), 5)),
  );

describe("the provider's own command line", { concurrency: true }, () => {
  test("R54 the provider's command line branches, restores and resets in the sandbox, and psql reads it", { skip }, async (t) => {
    const { neon, cli } = await judged(t);
    const { sandbox } = neon;
    const p = ["--project-id", sandbox.projectId];
    const url = (await cli.text("connection-string", "production", ...p)).trim();
    assert.equal(url, sandbox.url);
    await ask(url, "create table t (a int); insert into t values (1)");
    const at = await moment(neon);
    const lsn = await ask(url, "insert into t values (2) returning pg_current_wal_insert_lsn()");
    const [production] = await cli.json("branches", "list", ...p);
    assert.deepEqual([production.name, production.default, production.current_state], ["production", true, "ready"]);

    const { branch: past } = await cli.json("branches", "create", "--name", "past", "--parent", at, ...p);
    const { branch: before } = await cli.json("branches", "create", "--name", "before", "--parent", lsn, ...p);
    const { connection_uris: none } = await cli.json("branches", "create", "--name", "bare", "--no-compute", ...p);
    assert.equal(none, undefined);
    assert.equal(await ask(await cli.text("connection-string", past.id, ...p), "select array_agg(a order by a) from t"), "{1}");
    assert.equal(await ask(await cli.text("connection-string", before.id, ...p), "select array_agg(a order by a) from t"), "{1}");

    const expiry = new Date(sandbox.now().getTime() + 3_600_000).toISOString();
    const timed = ["--expires-at", expiry, "--suspend-timeout", "600", "--cu", "0.5-2"];
    const { branch: brief } = await cli.json("branches", "create", "--name", "brief", ...timed, ...p);
    assert.match(brief.expires_at, ISO);
    const forever = await cli.json("branches", "set-expiration", "brief", ...p);
    assert.equal(forever.expires_at, undefined);
    assert.match((await cli.json("branches", "set-expiration", "brief", "--expires-at", expiry, ...p)).expires_at, ISO);
    const { branch: hollow } = await cli.json("branches", "create", "--name", "hollow", "--schema-only", ...p);
    assert.equal(await ask(await cli.text("connection-string", hollow.id, "--pooled", ...p), "select count(*) from t"), "0");

    assert.equal((await cli.json("branches", "rename", "bare", "plain", ...p)).name, "plain");
    assert.equal((await cli.json("branches", "get", "plain", ...p)).parent_id, production.id);
    await cli.json("branches", "add-compute", "plain", "--type", "read_write", "--cu", "1", ...p);
    assert.equal(await ask(await cli.text("connection-string", "plain", ...p), "select count(*) from t"), "2");
    await cli.json("branches", "delete", "before", ...p);

    const restored = await cli.json("branches", "restore", "production", `^self@${at}`, "--preserve-under-name", "was", ...p);
    assert.ok(JSON.stringify(restored).includes("production"));
    assert.equal((await cli.text("connection-string", "production", ...p)).trim(), url, "the string is unchanged");
    assert.equal(await ask(url, "select array_agg(a order by a) from t"), "{1}");
    const branches: { id: string; name: string; parent_id?: string }[] = await cli.json("branches", "list", ...p);
    assert.equal(branches.find((branch) => branch.name === "was")?.id, production.id, "the old state is kept under its own id");
    assert.equal(branches.find((branch) => branch.name === "plain")?.parent_id, production.id, "children stay with the old state");

    await cli.json("branches", "set-default", "was", ...p);
    const { branch: dev } = await cli.json("branches", "create", "--name", "dev", ...p);
    assert.equal(dev.parent_id, production.id);
    await ask(await cli.text("connection-string", "dev", ...p), "truncate t");
    await cli.json("branches", "reset", "dev", "--parent", ...p);
    assert.equal(await ask(await cli.text("connection-string", "dev", ...p), "select count(*) from t"), "2");
    await ask(await cli.text("connection-string", "dev", ...p), "truncate t; alter table t add b text");
    const difference = await cli.text("branches", "schema-diff", "was", "dev", "--database", "neondb", ...p);
    assert.match(difference, /\+.*b text/);
    await cli.json("branches", "restore", "dev", "^parent", "--preserve-under-name", "dev-was", ...p);
    assert.equal(await ask(await cli.text("connection-string", "dev", ...p), "select count(*) from t"), "2");
    const refused = await cli.failure("branches", "create", "--name", "early", "--parent", "2020-01-01T00:00:00Z", ...p);
    assert.match(refused, /outside of the branch's history/);
    conclude(neon, cli);
  });

  test("R54 the provider's command line takes, schedules and restores snapshots in the sandbox", { skip }, async (t) => {
    const { neon, cli } = await judged(t);
    const { sandbox } = neon;
    const p = ["--project-id", sandbox.projectId];
    await ask(sandbox.url, "create table t (a int); insert into t values (1)");
    const at = await moment(neon);
    await ask(sandbox.url, "insert into t values (2)");
    const expiry = new Date(sandbox.now().getTime() + 90 * 86_400_000).toISOString();
    const create = ["snapshots", "create", "--branch", "production", ...p];
    const one = await cli.json(...create, "--name", "one", "--timestamp", at, "--expires-at", expiry);
    assert.equal(one.name, "one");
    const two = await cli.json(...create, "--name", "two");
    assert.deepEqual(
      (await cli.json("snapshots", "list", ...p)).map((snapshot: { name: string }) => snapshot.name),
      ["one", "two"],
    );
    assert.equal((await cli.json("snapshots", "get", "one", ...p)).id, one.id);
    assert.equal((await cli.json("snapshots", "update", "two", "--name", "zwei", ...p)).name, "zwei");
    await cli.json("snapshots", "update", "one", "--clear-expiration", ...p);

    await cli.json("snapshots", "restore", "one", "--name", "look", ...p);
    const bare: { id: string; name: string }[] = await cli.json("branches", "list", ...p);
    const look = bare.find((branch) => branch.name === "look");
    assert.ok(look);
    await cli.json("branches", "set-expiration", "look", ...p);
    await cli.json("snapshots", "schedule", "set", "--frequency", "daily", "--hour", "3", "--retention", "604800", ...p);
    assert.deepEqual(await cli.json("snapshots", "schedule", "get", ...p), [{ frequency: "daily", hour: 3, retention_seconds: 604800 }]);
    await cli.json("snapshots", "finalize", look.id, "--name", "before", ...p);
    assert.equal((await cli.text("connection-string", "production", ...p)).trim(), sandbox.url);
    assert.equal(await ask(sandbox.url, "select array_agg(a) from t"), "{1}");
    assert.equal((await cli.json("snapshots", "schedule", "get", "--branch", "production", ...p)).length, 1, "the schedule went along");
    await cli.text("snapshots", "schedule", "set", "--branch", "production", "--schedule", "[]", ...p);

    const again = ["snapshots", "restore", two.id, "--name", "rb", "--target-branch", "production", "--finalize"];
    await cli.json(...again, ...p);
    assert.equal(await ask(sandbox.url, "select array_agg(a order by a) from t"), "{1,2}");
    const names = (await cli.json("branches", "list", ...p)).map((branch: { name: string }) => branch.name);
    assert.deepEqual(names.sort(), ["before", "production", "production (old)"]);
    const late = ["branches", "restore", "production", `^self@${sandbox.now().toISOString()}`, "--preserve-under-name", "x"];
    assert.match(await cli.failure(...late, ...p), /restore from snapshot on target branch is still ongoing/);
    await cli.json("snapshots", "delete", "zwei", ...p);
    conclude(neon, cli);
  });

  test("R54 the provider's command line handles projects, roles, databases and operations in the sandbox", { skip }, async (t) => {
    const { neon, cli } = await judged(t);
    const { sandbox } = neon;
    const p = ["--project-id", sandbox.projectId];
    const listed = await cli.json("projects", "list");
    assert.deepEqual(
      listed.projects.map((project: { id: string }) => project.id),
      [sandbox.projectId],
    );
    assert.equal((await cli.json("projects", "list", "--org-id", sandbox.store.account.orgId)).length, 1);
    assert.equal((await cli.json("projects", "get", sandbox.projectId)).id, sandbox.projectId);
    assert.equal((await cli.json("projects", "update", sandbox.projectId, "--name", "new", "--cu", "0.5-2")).name, "new");
    await cli.text("api", `/projects/${sandbox.projectId}`, "-X", "PATCH", "-F", "project.history_retention_seconds=172800");
    assert.equal((await neon.expect(200, "GET", "")).project.history_retention_seconds, 172_800);
    await cli.json("roles", "create", "--name", "reader", ...p);
    await cli.json("databases", "create", "--name", "second", "--owner-name", "reader", ...p);
    const url = await cli.text("connection-string", "--role-name", "reader", "--database-name", "second", ...p);
    assert.equal(await ask(url, "select current_user || '@' || current_database()"), "reader@second");
    await cli.json("databases", "delete", "second", ...p);
    await cli.json("roles", "delete", "reader", ...p);
    const operations: { status: string }[] = await cli.json("operations", "list", ...p);
    assert.ok(operations.length >= 5);
    assert.ok(operations.every((operation) => operation.status === "finished"));
    conclude(neon, cli);
  });
});
