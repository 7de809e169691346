import assert from "node:assert/strict";
import { test } from "node:test";
import { versionOf } from "./media.ts";
import { page } from "./paging.ts";
import { Buckets } from "./rate-limits.ts";

const all = [1, 2, 3, 4, 5];
const url = (query: string): URL => new URL(`http://h/api/atlas/v2/x${query}`);
const rels = (query: string): string[] => page(url(query), all, (item) => item).links.map((link) => link.rel);

test("R54 pages are numbered from one and know the one before and the one after", () => {
  const second = page(url("?pageNum=2&itemsPerPage=2&x=y"), all, (item) => item * 10);
  assert.deepEqual(second.results, [30, 40]);
  assert.equal(second.totalCount, 5);
  assert.deepEqual(
    second.links.map((link) => `${link.rel} ${new URL(link.href).searchParams.get("pageNum")} ${new URL(link.href).searchParams.get("x")}`),
    ["self 2 y", "previous 1 y", "next 3 y"],
  );
  assert.deepEqual(rels(""), ["self"]);
  assert.deepEqual(rels("?pageNum=3&itemsPerPage=2"), ["self", "previous"]);
});

test("R54 a count that is not asked for is left out, and numbers that are none are refused", () => {
  assert.equal("totalCount" in page(url("?includeCount=false"), all, (item) => item), false);
  for (const bad of ["?pageNum=0", "?itemsPerPage=501", "?itemsPerPage=x", "?includeCount=1"])
    assert.throws(() => rels(bad), { status: 400 });
});

test("R54 the newest version that is not after the date answers", () => {
  const versions = { dates: ["2023-02-01", "2024-08-05"], gone: ["2023-01-01"] };
  const asked = (date: string): string => versionOf(`application/vnd.atlas.${date}+json`, versions, "/x");
  assert.equal(asked("2025-03-12"), "2024-08-05");
  assert.equal(asked("2024-08-05"), "2024-08-05");
  assert.equal(asked("2024-08-04"), "2023-02-01");
  assert.throws(() => asked("2023-01-15"), { status: 410, errorCode: "VERSION_GONE" });
  assert.throws(() => asked("2022-12-31"), { status: 406 });
  assert.throws(() => versionOf("application/json", versions, "/x"), { status: 406 });
});

test("R54 a bucket of tokens empties, says how long to wait, and fills again", () => {
  let ms = 0;
  const buckets = new Buckets(() => ms, { backup: { capacity: 2, refillRate: 1, refillDurationSeconds: 10 } });
  assert.deepEqual(buckets.take("/a/backup/x"), { "RateLimit-Limit": "2", "RateLimit-Remaining": "1" });
  buckets.take("/a/backup/x");
  assert.throws(
    () => buckets.take("/a/backup/x"),
    (error: { status: number; headers: Record<string, string> }) => error.status === 429 && error.headers["Retry-After"] === "10",
  );
  assert.equal(buckets.take("/a/clusters")["RateLimit-Limit"], "10000");
  ms = 10_000;
  assert.equal(buckets.take("/a/backup/x")["RateLimit-Remaining"], "0");
});
