// The rules of the Neon sandbox's API, over a fleet without data.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AT_ONCE, fakeFleet, type SandboxedNeon, startFakeNeon } from "../support/neon-sandbox.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const isoIn = ({ sandbox }: SandboxedNeon, ms: number): string => new Date(sandbox.now().getTime() + ms).toISOString();

interface Listed {
  readonly id: string;
  readonly name: string;
  readonly parent_id?: string;
  readonly default: boolean;
  readonly protected: boolean;
}
const branches = async (neon: SandboxedNeon): Promise<Listed[]> => (await neon.expect(200, "GET", "/branches")).branches;
async function named(neon: SandboxedNeon, name: string): Promise<Listed> {
  const found = (await branches(neon)).find((branch) => branch.name === name);
  assert.ok(found, `there is no branch ${name}`);
  return found;
}

test("R54 a wrong key is told so, and a key for one project opens no other and deletes nothing", async () => {
  await using neon = await startFakeNeon();
  const { sandbox, call } = neon;
  for (const authorization of ["", "Bearer wrong"]) {
    const { status, body } = await call("GET", "/projects", undefined, { authorization, "x-request-id": "r-1" });
    assert.deepEqual([status, body.request_id, typeof body.code, typeof body.message], [401, "r-1", "string", "string"]);
  }
  const { org_id: org } = (await neon.expect(200, "GET", "")).project;
  const { body } = await call("POST", `/organizations/${org}/api_keys`, { key_name: "k", project_id: sandbox.projectId });
  const scoped = { authorization: `Bearer ${body.key}` };
  assert.equal((await call("GET", `/projects/${sandbox.projectId}`, undefined, scoped)).status, 200);
  assert.equal((await call("DELETE", `/projects/${sandbox.projectId}`, undefined, scoped)).status, 403);
  const { body: other } = await call("POST", "/projects", { project: {} });
  assert.equal((await call("GET", `/projects/${other.project.id}`, undefined, scoped)).status, 404);
  assert.equal((await call("POST", "/api_keys", { key_name: "more" }, scoped)).status, 403);
});

test("R54 a POST without a body may say that it is a form", async () => {
  await using neon = await startFakeNeon();
  const { id } = await named(neon, "production");
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const { status } = await neon.call("POST", `/projects/${neon.sandbox.projectId}/branches/${id}/set_as_default`, undefined, form);
  assert.equal(status, 200);
});

test("R54 a second mutation is refused with 423 until the first one's operations have ended", async () => {
  await using neon = await startFakeNeon({ delays: { schedulingMs: 1_000, runningMs: 1_000 } });
  const first = await neon.expect(201, "POST", "/branches", { branch: { name: "a" }, endpoints: [{ type: "read_write" }] });
  assert.deepEqual([first.branch.current_state, first.endpoints[0].current_state], ["init", "init"]);
  const { message } = await neon.expect(423, "POST", "/branches", { branch: { name: "b" } });
  assert.equal(message, "project already has running conflicting operations, scheduling of new ones is prohibited");
  const [create, start] = first.operations;
  const states = new Set<string>([create.status]);
  for (;;) {
    const { operation } = await neon.expect(200, "GET", `/operations/${start.id}`);
    states.add((await neon.expect(200, "GET", `/operations/${create.id}`)).operation.status);
    if (operation.status === "finished") break;
  }
  assert.deepEqual([...states], ["scheduling", "running", "finished"]);
  assert.equal((await neon.expect(200, "GET", `/branches/${first.branch.id}`)).branch.current_state, "ready");
  await neon.expect(201, "POST", "/branches", { branch: { name: "b" } });
});

test("R54 two mutations at the same instant: one is done, the other is told 423", async () => {
  await using neon = await startFakeNeon({ delays: { schedulingMs: 200, runningMs: 200 } });
  const path = `/projects/${neon.sandbox.projectId}/branches`;
  const both = await Promise.all(["a", "b"].map((name) => neon.call("POST", path, { branch: { name } })));
  assert.deepEqual(both.map(({ status }) => status).sort(), [201, 423]);
});

test("R54 a restore keeps the address, changes the id, and keeps the old state under the given name", async () => {
  await using neon = await startFakeNeon();
  const main = await named(neon, "production");
  const [endpoint] = (await neon.expect(200, "GET", `/branches/${main.id}/endpoints`)).endpoints;
  await neon.expect(201, "POST", "/branches", { branch: { name: "child" } });
  const path = `/branches/${main.id}/restore`;
  const back = { source_branch_id: main.id, source_timestamp: isoIn(neon, 0) };
  await neon.expect(400, "POST", path, { source_branch_id: main.id, preserve_under_name: "x" });
  await neon.expect(400, "POST", path, back);
  await neon.expect(200, "POST", path, { ...back, preserve_under_name: "before" });
  const restored = await named(neon, "production");
  assert.notEqual(restored.id, main.id);
  assert.deepEqual([restored.default, restored.parent_id], [true, undefined]);
  assert.equal((await named(neon, "before")).id, main.id);
  assert.equal((await named(neon, "child")).parent_id, main.id);
  const [moved] = (await neon.expect(200, "GET", `/branches/${restored.id}/endpoints`)).endpoints;
  assert.deepEqual([moved.id, moved.host], [endpoint.id, endpoint.host]);
  const role = `roles/neondb_owner/reveal_password`;
  assert.deepEqual(
    await neon.expect(200, "GET", `/branches/${restored.id}/${role}`),
    await neon.expect(200, "GET", `/branches/${main.id}/${role}`),
  );
});

test("R54 the first root can be deleted after a restore of itself, not after one from another branch", async () => {
  await using neon = await startFakeNeon();
  const main = await named(neon, "production");
  const now = isoIn(neon, 0);
  const itself = { source_branch_id: main.id, source_timestamp: now, preserve_under_name: "one" };
  await neon.expect(200, "POST", `/branches/${main.id}/restore`, itself);
  await neon.expect(200, "DELETE", `/branches/${main.id}`);
  const second = await named(neon, "production");
  const { branch } = await neon.expect(201, "POST", "/branches", { branch: { name: "dev" } });
  await neon.expect(200, "POST", `/branches/${second.id}/restore`, { source_branch_id: branch.id, preserve_under_name: "two" });
  await neon.expect(200, "DELETE", `/branches/${branch.id}`);
  assert.match((await neon.expect(422, "DELETE", `/branches/${second.id}`)).message, /root branch of the project/);
});

test("R54 default, protected and parent branches stay; a branch that expires is none of these", async () => {
  await using neon = await startFakeNeon();
  const main = await named(neon, "production");
  const make = async (branch: object): Promise<string> => (await neon.expect(201, "POST", "/branches", { branch })).branch.id;
  await neon.expect(422, "DELETE", `/branches/${main.id}`);
  const parent = await make({ name: "parent" });
  const child = await make({ name: "child", parent_id: parent });
  const soon = isoIn(neon, HOUR_MS);
  await neon.expect(422, "DELETE", `/branches/${parent}`);
  await neon.expect(422, "PATCH", `/branches/${parent}`, { branch: { expires_at: soon } });
  await neon.expect(422, "PATCH", `/branches/${main.id}`, { branch: { expires_at: soon } });
  await neon.expect(200, "PATCH", `/branches/${child}`, { branch: { protected: true } });
  await neon.expect(422, "DELETE", `/branches/${child}`);
  await neon.expect(422, "PATCH", `/branches/${child}`, { branch: { expires_at: soon } });
  const brief = await make({ name: "brief", expires_at: soon });
  await neon.expect(422, "POST", "/branches", { branch: { parent_id: brief } });
  await neon.expect(422, "POST", `/branches/${brief}/set_as_default`);
  for (const wrong of ["2026-11-21", "2026-11-21T10:00:00", isoIn(neon, -1000), isoIn(neon, 31 * DAY_MS)]) {
    await neon.expect(400, "PATCH", `/branches/${brief}`, { branch: { expires_at: wrong } });
  }
});

test("R54 children of a protected branch get new passwords, others keep their parent's", async () => {
  await using neon = await startFakeNeon();
  const main = await named(neon, "production");
  const password = async (branch: string): Promise<string> =>
    (await neon.expect(200, "GET", `/branches/${branch}/roles/neondb_owner/reveal_password`)).password;
  const make = async (name: string): Promise<string> => (await neon.expect(201, "POST", "/branches", { branch: { name } })).branch.id;
  assert.equal(await password(await make("a")), await password(main.id));
  await neon.expect(200, "PATCH", `/branches/${main.id}`, { branch: { protected: true } });
  assert.notEqual(await password(await make("b")), await password(main.id));
});

test("R54 only roots have snapshots, schedules and restores to a point; a child is reset, and keeps its id", async () => {
  await using neon = await startFakeNeon();
  const main = await named(neon, "production");
  const { branch } = await neon.expect(201, "POST", "/branches", { branch: { name: "child" } });
  await neon.expect(422, "POST", `/branches/${branch.id}/snapshot?name=s`);
  await neon.expect(422, "PUT", `/branches/${branch.id}/backup_schedule`, { schedule: [{ frequency: "daily", hour: 1 }] });
  const point = { source_branch_id: main.id, source_timestamp: isoIn(neon, 0), preserve_under_name: "x" };
  await neon.expect(422, "POST", `/branches/${branch.id}/restore`, point);
  const reset = await neon.expect(200, "POST", `/branches/${branch.id}/restore`, { source_branch_id: main.id });
  assert.equal(reset.branch.id, branch.id);
  assert.ok(reset.branch.last_reset_at);
});

test("R54 a point is reached only inside of the history window, which does not begin before the branch", async () => {
  await using neon = await startFakeNeon();
  const main = await named(neon, "production");
  const at = (when: string): Promise<unknown> => neon.expect(201, "POST", "/branches", { branch: { name: when, parent_timestamp: when } });
  const not = (when: string): Promise<{ message: string }> => neon.expect(400, "POST", "/branches", { branch: { parent_timestamp: when } });
  assert.match((await not(isoIn(neon, -HOUR_MS))).message, /outside of the branch's history/);
  await neon.sandbox.advance(2 * DAY_MS);
  await at(isoIn(neon, -DAY_MS + 60_000));
  await not(isoIn(neon, -DAY_MS - 1000));
  assert.match((await not(isoIn(neon, 60_000))).message, /future/);
  await neon.expect(400, "POST", "/branches", { branch: { parent_lsn: "0/FFFFFFFF" } });
  await neon.expect(400, "POST", "/branches", { branch: { parent_lsn: "0/1", parent_timestamp: isoIn(neon, 0) } });
  await neon.expect(200, "PATCH", "", { project: { history_retention_seconds: 0 } });
  await neon.expect(400, "POST", `/branches/${main.id}/snapshot?timestamp=${isoIn(neon, -1000)}`);
});

test("R54 a finalized restore of a snapshot takes name, default, protection and schedule, not the history", async () => {
  await using neon = await startFakeNeon();
  const main = await named(neon, "production");
  const { branch: child } = await neon.expect(201, "POST", "/branches", { branch: { name: "child" } });
  await neon.expect(200, "PATCH", `/branches/${main.id}`, { branch: { protected: true } });
  await neon.expect(200, "PUT", `/branches/${main.id}/backup_schedule`, { schedule: [{ frequency: "daily", hour: 1 }] });
  const { snapshot } = await neon.expect(200, "POST", `/branches/${main.id}/snapshot?name=s`, { name: "ignored" });
  assert.equal(snapshot.name, "s");
  await neon.expect(409, "POST", `/branches/${main.id}/snapshot?name=s`);
  const look = await neon.expect(200, "POST", `/snapshots/${snapshot.id}/restore`, { name: "look" });
  assert.equal(look.endpoints, undefined, "without a compute of its own");
  assert.deepEqual([look.branch.restore_status, look.branch.restored_from, look.branch.restored_as], ["restored", snapshot.id, main.id]);
  await neon.expect(200, "POST", `/branches/${look.branch.id}/finalize_restore`, {});
  const restored = await named(neon, "production");
  assert.deepEqual([restored.id, restored.default, restored.protected], [look.branch.id, true, true]);
  const old = await named(neon, "production (old)");
  assert.deepEqual([old.id, old.default, old.protected], [main.id, false, false]);
  assert.equal((await neon.expect(200, "GET", `/branches/${restored.id}/backup_schedule`)).schedule.length, 1);
  const { snapshots } = await neon.expect(200, "GET", "/snapshots");
  assert.equal(snapshots[0].source_branch_id, main.id, "snapshots stay with the old branch");
  const point = { source_branch_id: restored.id, source_timestamp: isoIn(neon, 0), preserve_under_name: "x" };
  const { message } = await neon.expect(422, "POST", `/branches/${restored.id}/restore`, point);
  assert.equal(message, "restore from snapshot on target branch is still ongoing");
  await neon.expect(422, "POST", `/branches/${child.id}/restore`, { source_branch_id: main.id });
  await neon.sandbox.advance(DAY_MS);
  await neon.expect(200, "POST", `/branches/${child.id}/restore`, { source_branch_id: main.id });
});

test("R54 the clock removes what expires and makes what is scheduled, in order, however far it jumps", async () => {
  const fleet = fakeFleet();
  await using neon = await startFakeNeon({ fleet });
  const main = await named(neon, "production");
  await neon.expect(201, "POST", "/branches", { branch: { name: "brief", expires_at: isoIn(neon, HOUR_MS) } });
  await neon.expect(200, "POST", `/branches/${main.id}/snapshot?name=s&expires_at=${isoIn(neon, HOUR_MS)}`);
  await neon.expect(200, "PUT", `/branches/${main.id}/backup_schedule`, {
    schedule: [
      { frequency: "daily", hour: 3, retention_seconds: 7 * 86_400 },
      { frequency: "weekly", hour: 3, day: 7 },
    ],
  });
  await neon.sandbox.advance(30 * 60_000);
  assert.equal((await branches(neon)).length, 2);
  await neon.sandbox.advance(30 * DAY_MS);
  assert.deepEqual(
    (await branches(neon)).map((branch) => branch.name),
    ["production"],
  );
  const { snapshots }: { snapshots: { name: string; manual: boolean; expires_at: string; created_at: string }[] } = await neon.expect(
    200,
    "GET",
    "/snapshots",
  );
  assert.ok(snapshots.every((snapshot) => !snapshot.manual && /T03:00:00.000Z$/.test(snapshot.created_at)));
  assert.equal(snapshots.filter((snapshot) => snapshot.name.includes("daily")).length, 7);
  const weekly = snapshots.filter((snapshot) => snapshot.name.includes("weekly"));
  assert.ok(weekly.length >= 4);
  assert.ok(weekly.every((snapshot) => new Date(snapshot.created_at).getUTCDay() === 0));
  assert.equal(fleet.lines.size, 1 + snapshots.length, "no line is left of what expired");
});

test("R54 a schedule needs its hour and day", async () => {
  await using neon = await startFakeNeon();
  const { id } = await named(neon, "production");
  const put = (schedule: unknown): Promise<{ message: string }> => neon.expect(400, "PUT", `/branches/${id}/backup_schedule`, { schedule });
  assert.equal((await put([{ frequency: "daily" }])).message, "daily schedules must specify the hour of the day");
  await put([{ frequency: "weekly", hour: 1 }]);
  await put([{ frequency: "daily", hour: 1, retention_seconds: 36 * 86_400 }]);
  await put([{ frequency: "hourly", hour: 1 }]);
});

test("R54 the free plan has its limits of roots, branches, history, snapshots, schedules and timeouts", async () => {
  await using neon = await startFakeNeon({ plan: "free" });
  const { call, expect } = neon;
  const first = await named(neon, "production");
  const user = (await call("GET", "/users/me")).body;
  assert.deepEqual([user.projects_limit, user.branches_limit], [100, 10]);
  const history = await expect(400, "PATCH", "", { project: { history_retention_seconds: 86_400 } });
  assert.equal(
    history.message,
    'requested history retention seconds exceeds allowed maximum; requested_history_retention_seconds:"86400", max:"21600"',
  );
  await expect(200, "POST", `/branches/${first.id}/snapshot?name=one`);
  assert.equal((await expect(422, "POST", `/branches/${first.id}/snapshot?name=two`)).code, "SNAPSHOTS_LIMIT_EXCEEDED");
  await expect(422, "PUT", `/branches/${first.id}/backup_schedule`, { schedule: [{ frequency: "daily", hour: 1 }] });
  const protecting = await expect(422, "PATCH", `/branches/${first.id}`, { branch: { protected: true } });
  assert.equal(protecting.code, "BRANCHES_PROTECTED_LIMIT_EXCEEDED");
  await expect(412, "POST", "/branches", { branch: { name: "x" }, endpoints: [{ type: "read_write", suspend_timeout_seconds: 60 }] });
  for (const name of ["a", "b"]) {
    const { id } = await named(neon, "production");
    const back = { source_branch_id: id, source_timestamp: isoIn(neon, 0), preserve_under_name: name };
    await expect(200, "POST", `/branches/${id}/restore`, back);
  }
  const { id } = await named(neon, "production");
  const third = { source_branch_id: id, source_timestamp: isoIn(neon, 0), preserve_under_name: "c" };
  assert.equal((await expect(422, "POST", `/branches/${id}/restore`, third)).code, "ROOT_BRANCHES_LIMIT_EXCEEDED");
  for (let count = 3; count < 10; count++) await expect(201, "POST", "/branches", {});
  assert.equal((await expect(422, "POST", "/branches", {})).code, "BRANCHES_LIMIT_EXCEEDED");
});

test("R54 branches come in pages that end, operations in pages with a cursor", async () => {
  await using neon = await startFakeNeon({ delays: AT_ONCE });
  for (let count = 0; count < 7; count++) await neon.expect(201, "POST", "/branches", {});
  const ids: string[] = [];
  for (let next: string | undefined = ""; next !== undefined; ) {
    const { branches: some, pagination } = await neon.expect(200, "GET", `/branches?limit=3&sort_by=name${next && `&cursor=${next}`}`);
    ids.push(...some.map((branch: Listed) => branch.id));
    next = pagination.next;
  }
  assert.equal(new Set(ids).size, 8);
  assert.equal(ids.length, 8);
  const seen: string[] = [];
  for (let cursor = ""; ; ) {
    const { operations, pagination } = await neon.expect(200, "GET", `/operations?limit=3${cursor && `&cursor=${cursor}`}`);
    if (operations.length === 0) break;
    seen.push(...operations.map((operation: { id: string }) => operation.id));
    cursor = pagination.cursor;
  }
  assert.equal(new Set(seen).size, 7);
  assert.equal(seen.length, 7);
});

test("R54 a deleted project can be recovered for a week", async () => {
  await using neon = await startFakeNeon();
  const { call } = neon;
  const { body } = await call("POST", "/projects", { project: { name: "p" } });
  const path = `/projects/${body.project.id}`;
  await call("DELETE", path);
  assert.equal((await call("GET", path)).status, 404);
  assert.equal((await call("GET", "/projects?recoverable=true")).body.projects.length, 1);
  assert.equal((await call("POST", `${path}/recover`)).body.branches.length, 1);
  await call("DELETE", path);
  await neon.sandbox.advance(7 * DAY_MS);
  assert.equal((await call("POST", `${path}/recover`)).status, 404);
});
