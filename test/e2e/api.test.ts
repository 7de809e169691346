// The API as its callers use it: jobs and their keys, events, pages, entity tags, errors. The service runs in this process.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { apiJob } from "../../src/server/api/job-store.ts";
import { problem } from "../../src/server/api/problem.ts";
import { beginWorld } from "../support/program.ts";
import { type AskOptions, beginService } from "../support/service.ts";

const SOURCES = {
  shop: { url: "postgres://u:pw@127.0.0.1:1/shop", label: "shop" },
  blog: { url: "postgres://u:pw@127.0.0.1:1/blog", label: "blog" },
};

// biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests look at
const jsonOf = async (response: Response | Promise<Response>): Promise<any> => (await response).json();

/** Reads server-sent events to the end of the stream. */
async function eventsOf(response: Response): Promise<{ readonly id: string; readonly event: string; readonly data: unknown }[]> {
  return (await response.text())
    .split("\n\n")
    .filter((block) => block.includes("data:"))
    .map((block) => {
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
      return { id: field("id"), event: field("event"), data: JSON.parse(field("data")) };
    });
}

/** A server that takes connections and never answers, until it ends. */
async function beginSilent(t: TestContext) {
  const server = createServer(() => {});
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => void sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const end = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  t.after(end);
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { server, end, url: `postgres://u:pw@127.0.0.1:${address.port}/shop` };
}

test("R51 a job of the API runs once per idempotency key, also after a restart, and its events are kept", async (t) => {
  const world = await beginWorld(t, { sources: SOURCES });
  let service = await beginService(world);
  const token = await service.token(["operator", "approver"]);
  const post = (path: string, body: unknown, key?: string) =>
    service.ask(path, { method: "POST", token, body, ...(key !== undefined && { headers: { "idempotency-key": key } }) });

  const begun = await post("/api/pause", { source: "shop", reason: "move" }, "k1");
  const job = apiJob.parse(await begun.json());
  assert.deepEqual([begun.status, begun.headers.get("location")], [202, `/api/jobs/${job.id}`]);
  assert.deepEqual([job.operation, job.source, job.actor.kind, job.actor.from], ["pause", "shop", "token", "127.0.0.1"]);
  const events = await eventsOf(await service.ask(`/api/jobs/${job.id}/events`, { token }));
  const last = events.at(-1);
  assert.deepEqual([events[0]?.event, last?.event], ["begin", "finished"], JSON.stringify(events));
  const done = apiJob.parse(last?.data);
  assert.deepEqual([done.state, done.exit, done.error], ["done", 0, null]);
  assert.deepEqual(await (await service.ask(`/api/jobs/${job.id}`, { token })).json(), done);
  const journals = async (): Promise<number> => (await jsonOf(service.ask("/api/jobs?source=shop", { token }))).jobs.length;
  assert.equal((await jsonOf(service.ask("/api/jobs", { token }))).jobs[0].id, job.id, "the journal has the job's id");

  assert.equal((await jsonOf(service.ask("/api/status?source=shop", { token }))).sources[0].paused.by, "test-operator-approver");
  const count = await journals();
  assert.equal((await jsonOf(post("/api/pause", { reason: "move", source: "shop" }, "k1"))).id, job.id);
  const reused = await post("/api/pause", { source: "blog" }, "k1");
  assert.deepEqual([reused.status, problem.parse(await reused.json()).code], [422, "IDEMPOTENCY_KEY_REUSED"]);
  assert.equal((await post("/api/pause", { source: "shop" }, "with space")).status, 422);

  await service.end();
  service = await beginService(world);
  assert.equal((await jsonOf(post("/api/pause", { source: "shop", reason: "move" }, "k1"))).id, job.id, "the key survives");
  assert.equal(await journals(), count, "nothing ran again");
  const again = await eventsOf(await service.ask(`/api/jobs/${job.id}/events`, { token, headers: { "last-event-id": "1" } }));
  assert.deepEqual(
    again.map(({ event, data }) => [event, data]),
    [["finished", done]],
  );
  const read = await service.ask(`/api/jobs/${job.id}/events`, { token, headers: { "last-event-id": last?.id ?? "" } });
  assert.equal(read.status, 204, "a reader that has read the end does not come again");

  const failing = apiJob.parse(await (await post("/api/backup", { source: "shop" })).json());
  const [end] = (await eventsOf(await service.ask(`/api/jobs/${failing.id}/events`, { token }))).slice(-1);
  const failed = apiJob.parse(end?.data);
  assert.deepEqual([failed.state, failed.exit, failed.error?.code, failed.result], ["failed", 1, "SOURCE_UNREACHABLE", null]);
  assert.ok(failed.error?.next.commands.includes("lifeboat check shop"));
  const other = await service.token(["viewer"]);
  assert.equal((await service.ask(`/api/jobs/${failing.id}`, { token: other })).status, 403, "a result takes the access of its operation");
  assert.doesNotMatch(service.lines.join("\n"), /lbt_/, "no token is logged");
});

test("R51 looking answers directly, with an entity tag; errors are problems with our codes", async (t) => {
  const world = await beginWorld(t, { sources: SOURCES });
  const service = await beginService(world);
  const token = await service.token(["restorer"]);
  const ask = (path: string, options: AskOptions = {}) => service.ask(path, { token, ...options });
  const post = (path: string, body: unknown) => ask(path, { method: "POST", body });

  const first = await ask("/api/list?pageSize=10");
  const etag = first.headers.get("etag") ?? "";
  assert.deepEqual([first.status, (await jsonOf(first)).nextCursor, first.headers.get("lifeboat-exit")], [200, null, "0"]);
  assert.equal((await ask("/api/list?pageSize=10", { headers: { "if-none-match": etag } })).status, 304);
  assert.equal((await ask("/api/list?pageSize=10", { headers: { "if-none-match": '"another"' } })).status, 200);

  const approving = { method: "POST", token: await service.token(["approver"]), body: { approval: "zzz" } };
  const cases: readonly (readonly [string, Promise<Response>, number, string])[] = [
    ["an unknown source", ask("/api/status?source=nope"), 404, "SOURCE_UNKNOWN"],
    ["a look at a path in place of a source", ask("/api/list?source=../jobs"), 404, "SOURCE_UNKNOWN"],
    ["a parameter in place of a number", ask("/api/list?limit=x"), 422, "USAGE"],
    ["an unknown parameter", ask("/api/list?other=1"), 422, "USAGE"],
    ["an unknown path", ask("/api/nothing"), 404, "USAGE"],
    ["another method", ask("/api/restore"), 405, "USAGE"],
    ["a directory of the server", post("/api/restore", { source: "shop", into: "/var/lib/x" }), 403, "LOCAL_ONLY"],
    ["an address with a password", post("/api/restore", { source: "shop", into: "postgres://a:b@c/d" }), 403, "LOCAL_ONLY"],
    ["a scratch server", post("/api/restore/plan", { source: "shop", into: "scratch" }), 403, "LOCAL_ONLY"],
    ["passwords in the result", post("/api/restore", { source: "shop", credentials: true }), 403, "LOCAL_ONLY"],
    ["an operation of the machine", post("/api/token-create", { name: "x", roles: ["approver"] }), 404, "USAGE"],
    ["a body that is too large", post("/api/hold", { point: "x".repeat(300_000) }), 413, "USAGE"],
    ["a body in another form", ask("/api/hold", { method: "POST", body: {}, headers: { "content-type": "text/plain" } }), 415, "USAGE"],
    ["an approval that is not there", service.ask("/api/approve/plan", approving), 403, "APPROVAL_INVALID"],
    ["an unknown restore point", ask("/api/show?point=zzz"), 404, "POINT_UNKNOWN"],
    ["a change of an unknown source", post("/api/backup", { source: "nope" }), 404, "SOURCE_UNKNOWN"],
    ["a source that is the beginning of one", post("/api/drill", { source: "sho" }), 404, "SOURCE_UNKNOWN"],
    ["a source without a name", post("/api/tick", { source: "" }), 404, "SOURCE_UNKNOWN"],
    ["a path in place of a source", post("/api/resume", { source: "../jobs" }), 404, "SOURCE_UNKNOWN"],
    ["a plan of an unknown source", post("/api/restore/plan", { source: "nope", into: "x" }), 404, "SOURCE_UNKNOWN"],
    ["a change of an unknown restore point", post("/api/verify", { point: "zzz" }), 404, "POINT_UNKNOWN"],
    ["a hold of an unknown restore point", post("/api/hold", { point: "zzz" }), 404, "POINT_UNKNOWN"],
  ];
  for (const [what, asked, status, code] of cases) {
    const response = await asked;
    const body = problem.parse(await response.json());
    assert.deepEqual([response.status, body.status, body.code], [status, status, code], `${what}: ${body.detail}`);
    assert.equal(response.headers.get("content-type"), "application/problem+json", what);
  }
  const unknown = await jsonOf(post("/api/backup", { source: "shp" }));
  assert.match(unknown.detail, /^no source is called "shp" \(there are shop, blog\); did you mean "shop"\?$/);
  assert.deepEqual((await jsonOf(ask("/api/jobs"))).jobs, [], "nothing began");
  assert.match((await jsonOf(await ask("/api/list?other=1"))).detail, /^the request of list is not valid: Unrecognized key: "other"$/);
  assert.equal((await ask("/api/restore")).headers.get("allow"), "POST");
  const preflight = await ask("/api/list", { method: "OPTIONS", headers: { origin: "https://evil.example" } });
  assert.equal(preflight.headers.get("access-control-allow-origin"), null);
  await (await service.ask("/api/health")).body?.cancel();
});

test("R51 a job that a caller cancels ends as failed with CANCELLED", async (t) => {
  const silent = await beginSilent(t);
  const world = await beginWorld(t, { sources: { shop: { url: silent.url, label: "shop" } } });
  const service = await beginService(world);
  const token = await service.token(["operator"]);
  const { id } = await jsonOf(service.ask("/api/backup", { method: "POST", token, body: { source: "shop" } }));
  const asked = await service.ask(`/api/jobs/${id}/cancel`, { method: "POST", token });
  assert.equal(asked.status, 202);
  const [end] = (await eventsOf(await service.ask(`/api/jobs/${id}/events`, { token }))).slice(-1);
  const job = apiJob.parse(end?.data);
  assert.deepEqual([job.state, job.error?.code, job.exit], ["failed", "CANCELLED", 130]);
});

test("R51 a job may end while the service stops, and one whose end cannot be stored stops nothing", async (t) => {
  const silent = await beginSilent(t);
  const world = await beginWorld(t, { sources: { shop: { url: silent.url, label: "shop" } } });
  let service = await beginService(world);
  const token = await service.token(["operator"]);
  const begin = async (): Promise<string> => {
    const reached = once(silent.server, "connection");
    const { id } = await jsonOf(service.ask("/api/backup", { method: "POST", token, body: { source: "shop" } }));
    await reached;
    return id;
  };
  const directory = join(world.directory, "state");
  const unstored = await begin();
  const name = readdirSync(directory).find((one) => /^api-.*sqlite$/.test(one)) ?? "";
  const database = new DatabaseSync(join(directory, name));
  database.exec("create trigger full before update on job begin select raise(fail, 'the disk is full'); end");
  await service.ask(`/api/jobs/${unstored}/cancel`, { method: "POST", token });
  const [end] = (await eventsOf(await service.ask(`/api/jobs/${unstored}/events`, { token }))).slice(-1);
  assert.equal(apiJob.parse(end?.data).state, "failed");
  const told = (text: string): number => service.lines.filter((line) => line.includes(text)).length;
  assert.equal(told("the end of a job could not be stored"), 1);
  assert.equal(told('"message":"backup begins"'), 1, "subscribers hear each event once");
  database.exec("drop trigger full");
  database.close();

  const late = await begin();
  const ended = service.end();
  silent.end();
  await ended;
  service = await beginService(world);
  const job = apiJob.parse(await jsonOf(service.ask(`/api/jobs/${late}`, { token })));
  assert.deepEqual([job.state, job.error?.code], ["failed", "SOURCE_UNREACHABLE"], "it was not cancelled");
});
