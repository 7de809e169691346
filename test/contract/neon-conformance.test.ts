// Every request of a tour through the whole Neon sandbox, and every answer, has the shape that the real API declares.
import assert from "node:assert/strict";
import { test } from "node:test";
import { requests } from "../../packages/sandbox/neon/router.ts";
import { type SandboxedNeon, startFakeNeon } from "../support/neon-sandbox.ts";
import { openNeonShapes } from "../support/neon-shapes.ts";

const HOUR_MS = 3_600_000;

/** Uses everything once, and is refused here and there. */
async function tour({ sandbox, call, expect }: SandboxedNeon): Promise<void> {
  const org = sandbox.store.account.orgId;
  const later = (ms: number): string => new Date(sandbox.now().getTime() + ms).toISOString();
  for (const path of ["/auth", "/users/me", "/users/me/organizations", "/regions", "/api_keys", `/organizations/${org}/api_keys`]) {
    assert.equal((await call("GET", path)).status, 200, path);
  }
  assert.equal((await call("GET", "/users/me", undefined, { authorization: "Bearer wrong" })).status, 401);
  for (const path of ["/api_keys", `/organizations/${org}/api_keys`]) {
    const { body } = await call("POST", path, { key_name: "k" });
    assert.equal((await call("DELETE", `${path}/${body.id}`)).status, 200);
  }
  for (const kind of ["projects", "branches"]) {
    const query = `from=${later(-HOUR_MS)}&to=${later(0)}&granularity=hourly&org_id=${org}&metrics=snapshot_storage_bytes_month&project_ids=x`;
    assert.equal((await call("GET", `/consumption_history/v2/${kind}?${query}`)).status, 200);
  }
  const { body: other } = await call("POST", "/projects", { project: { name: "other", branch: { name: "main" } } });
  assert.equal((await call("GET", "/projects?limit=1")).body.projects.length, 1);
  await call("GET", "/projects/shared?limit=100");
  assert.equal((await call("DELETE", `/projects/${other.project.id}`)).status, 200);
  assert.equal((await call("POST", `/projects/${other.project.id}/recover`)).status, 200);
  await expect(200, "GET", "");
  await expect(200, "PATCH", "", { project: { history_retention_seconds: 7200 } });
  await expect(400, "PATCH", "", { project: { history_retention_seconds: 8_640_000 } });

  const { branches } = await expect(200, "GET", "/branches?limit=1&sort_by=name&sort_order=asc");
  const main = branches[0].id;
  const { endpoints } = await expect(200, "GET", "/endpoints");
  await expect(200, "GET", `/branches/${main}`);
  const made = await expect(201, "POST", "/branches", {
    branch: { name: "child", parent_timestamp: later(0), expires_at: later(HOUR_MS) },
    endpoints: [{ type: "read_write" }],
  });
  await expect(409, "POST", "/branches", { branch: { name: "child" } });
  const child = `/branches/${made.branch.id}`;
  await expect(200, "GET", "/branches/count");
  await expect(200, "PATCH", child, { branch: { name: "kid", expires_at: null } });
  await expect(200, "PATCH", child, { branch: { protected: true } });
  await expect(200, "PATCH", child, { branch: { protected: false } });
  await expect(200, "GET", `${child}/endpoints`);
  const endpoint = `/endpoints/${made.endpoints[0].id}`;
  await expect(200, "GET", endpoint);
  await expect(200, "PATCH", endpoint, { endpoint: { suspend_timeout_seconds: 600 } });
  for (const action of ["suspend", "start", "restart"]) await expect(200, "POST", `${endpoint}/${action}`);
  await expect(200, "DELETE", endpoint);
  await expect(201, "POST", "/endpoints", { endpoint: { branch_id: made.branch.id, type: "read_write" } });
  await expect(200, "GET", `/connection_uri?branch_id=${made.branch.id}&database_name=neondb&role_name=neondb_owner`);
  await expect(201, "POST", `${child}/roles`, { role: { name: "reader" } });
  await expect(200, "GET", `${child}/roles`);
  await expect(200, "GET", `${child}/roles/reader`);
  await expect(200, "GET", `${child}/roles/reader/reveal_password`);
  await expect(200, "POST", `${child}/roles/reader/reset_password`);
  await expect(201, "POST", `${child}/databases`, { database: { name: "d", owner_name: "reader" } });
  await expect(200, "GET", `${child}/databases`);
  await expect(200, "PATCH", `${child}/databases/d`, { database: { name: "e" } });
  await expect(200, "GET", `${child}/databases/e`);
  await expect(200, "DELETE", `${child}/databases/e`);
  await expect(200, "DELETE", `${child}/roles/reader`);
  await expect(404, "GET", `${child}/schema?db_name=none`);
  await expect(200, "POST", `${child}/set_as_default`);
  await expect(200, "POST", `/branches/${main}/set_as_default`);

  const snapshot = `/branches/${main}/snapshot`;
  const taken = (await expect(200, "POST", `${snapshot}?name=one&expires_at=${later(HOUR_MS)}`)).snapshot;
  await expect(200, "GET", "/snapshots");
  await expect(200, "PATCH", `/snapshots/${taken.id}`, { snapshot: { name: "uno", expires_at: null } });
  await expect(200, "GET", `/branches/${main}/backup_schedule`);
  await expect(200, "PUT", `/branches/${main}/backup_schedule`, { schedule: [{ frequency: "daily", hour: 3, retention_seconds: 3600 }] });
  const past = { source_branch_id: main, source_timestamp: later(0), preserve_under_name: "was" };
  const restored = (await expect(200, "POST", `/branches/${main}/restore`, past)).branch.id;
  const copy = (await expect(200, "POST", `/snapshots/${taken.id}/restore`, { name: "look", target_branch_id: restored })).branch.id;
  await expect(200, "GET", `/branches/${copy}`);
  await expect(200, "POST", `/branches/${copy}/finalize_restore`, { name: "before" });
  const at = { source_branch_id: copy, source_timestamp: later(0), preserve_under_name: "x" };
  await expect(422, "POST", `/branches/${copy}/restore`, at);
  await expect(422, "DELETE", `/branches/${copy}`);
  await expect(202, "DELETE", `/snapshots/${taken.id}`);
  await expect(200, "DELETE", child);
  await expect(204, "DELETE", child);
  const { operations, pagination } = await expect(200, "GET", "/operations?limit=3");
  await expect(200, "GET", `/operations?limit=3&cursor=${pagination.cursor}`);
  await expect(200, "GET", `/operations/${operations[0].id}`);
  await expect(404, "GET", "/operations/00000000-0000-4000-8000-000000000000");
  await expect(200, "GET", `/endpoints/${endpoints[0].id}`);
}

test("R54 every request and every answer of the Neon sandbox has the shape the API declares", async (t) => {
  const shapes = openNeonShapes();
  if (shapes === undefined) return t.skip("the API's declared shapes (shared/specs/neon-v2.json) are not here");
  await using neon = await startFakeNeon();
  await tour(neon);
  const said = neon.sandbox.faults.seen.flatMap((seen) => shapes.faults(seen));
  assert.deepEqual([...new Set(said)], []);
  assert.ok(neon.sandbox.faults.seen.length > 70);
});

test("the tour misses no request that the sandbox answers", async (t) => {
  const shapes = openNeonShapes();
  if (shapes === undefined) return t.skip("the API's declared shapes (shared/specs/neon-v2.json) are not here");
  await using neon = await startFakeNeon();
  await tour(neon);
  const made = new Set(neon.sandbox.faults.seen.map(({ method, path }) => shapes.nameOf(method, path)));
  const answered = requests().map(
    ({ method, path }) => shapes.nameOf(method, path.replace(":kind", "projects").replaceAll(/:\w+/g, "x")) ?? `${method} ${path}`,
  );
  assert.deepEqual(
    answered.filter((name) => !made.has(name) && !name.includes("/x")),
    [],
  );
});

test("the guard of the shapes sees a missing, a misspelt and a wrong field", (t) => {
  const shapes = openNeonShapes();
  if (shapes === undefined) return t.skip("the API's declared shapes (shared/specs/neon-v2.json) are not here");
  const exchange = { method: "GET", path: "/projects/p/snapshots", query: "", body: undefined, headers: {}, status: 200 };
  const good = { id: "snap-a", name: "n", created_at: "2026-11-21T00:00:00Z" };
  assert.deepEqual(shapes.faults({ ...exchange, answer: { snapshots: [good] } }), []);
  for (const bad of [
    { id: "snap-a", name: "n" },
    { ...good, expire_at: "x" },
    { ...good, manual: "yes" },
    { ...good, id: "Snap" },
  ]) {
    assert.equal(shapes.faults({ ...exchange, answer: { snapshots: [bad] } }).length, 1);
  }
  assert.equal(shapes.faults({ ...exchange, path: "/nowhere", answer: {} }).length, 1);
});
