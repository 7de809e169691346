// What is asked again, what is looked for first, and where a list ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../../core/errors.ts";
import { type Answer, clientOf, clusterBody, failure, type Seen, serve } from "./testing.ts";

const isApi = ({ url }: Seen): boolean => url.startsWith("/api/atlas");
const api = (handle: (request: Seen) => Answer | undefined) => (request: Seen) => (isApi(request) ? handle(request) : undefined);
const SHOP = { name: "shop", kind: "dedicated", type: "REPLICASET" } as const;

test("R16 after a lost answer, another user's cluster of the same name is not taken for ours", async (t) => {
  const spec = { name: "copy", cloud: "AWS", region: "EU_CENTRAL_1", tier: "M10", tags: { lifeboat: "job-1" } };
  const theirs = clusterBody("copy", { tags: [{ key: "lifeboat", value: "job-2" }] });
  const service = await serve(
    t,
    api(({ method }) => {
      if (method === "GET") return { status: 200, body: theirs };
      const isFirst = service.seen.filter((one) => one.method === "POST" && isApi(one)).length === 1;
      return isFirst ? "drop" : failure(400, "DUPLICATE_CLUSTER_NAME");
    }),
  );
  const patient = clientOf(service, { timeouts: { outageMs: 10_000 } });
  await assert.rejects(patient.createCluster(spec), (error) => isLifeboatError(error, "PROVIDER_REFUSED"));
});

test("what was to be made is looked for after a 503 too: a proxy may have passed the request on", async (t) => {
  const made = { id: "c".repeat(24), status: "queued", snapshotType: "onDemand", description: "before" };
  const rows: object[] = [];
  const service = await serve(
    t,
    api(({ method }) => {
      if (method === "GET") return { status: 200, body: { results: rows } };
      rows.push(made);
      return { status: 503, body: "<html>" };
    }),
  );
  const snapshot = await clientOf(service).createSnapshot(SHOP, { description: "before", retentionDays: 1 });
  assert.deepEqual([snapshot.id, rows.length], [made.id, 1]);
});

test("a page that is shorter than asked for is not the last one when Atlas names a next", async (t) => {
  const row = (at: number) => ({ _id: at.toString(16).padStart(24, "0"), bucketName: `bucket-${at}`, cloudProvider: "AWS" });
  const service = await serve(
    t,
    api(({ url }) => {
      const page = Number(new URL(url, "http://x").searchParams.get("pageNum"));
      const links = page < 3 ? [{ rel: "next", href: "https://cloud.mongodb.com/elsewhere" }] : null;
      return { status: 200, body: { results: [row(page)], links } };
    }),
  );
  assert.equal((await clientOf(service).buckets()).length, 3);
});
