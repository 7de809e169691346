import assert from "node:assert/strict";
import { test } from "node:test";
import { type Capacity, declines, without } from "./capacity.ts";
import { textOfWork, type WorkItem } from "./work.ts";

const item = (changed: Partial<WorkItem> = {}): WorkItem => ({
  key: "drill:shop:x",
  operation: "drill",
  request: { source: "shop", due: true },
  source: "shop",
  provider: "postgres",
  needs: { diskBytes: 10e9, memoryBytes: 2e8, labels: ["eu"] },
  notBefore: "2026-11-29T02:00:00.000Z",
  ...changed,
});
const free: Capacity = { diskBytes: 12e9, memoryBytes: 1e9, labels: ["eu", "large"] };
const none = { providers: {}, sources: {} };

test("R53 a worker declines what it has no room for, or what a limit forbids, and says why", () => {
  assert.equal(declines(item(), free, [], none), undefined);
  assert.match(declines(item(), { ...free, labels: [] }, [], none) ?? "", /lacks the label eu/);
  assert.match(declines(item(), { ...free, diskBytes: 2e9 }, [], none) ?? "", /needs 10\.0 GB of disk space; 2\.0 GB are free/);
  assert.match(declines(item(), { ...free, memoryBytes: 1e8 }, [], none) ?? "", /needs 200 MB of memory/);
  assert.match(declines(item(), free, [item()], none) ?? "", /another drill of shop runs/);
  const backup = item({ operation: "backup" });
  assert.equal(declines(backup, free, [item()], none), undefined);
  assert.match(declines(backup, free, [item()], { ...none, sources: { shop: 1 } }) ?? "", /limit of source shop is reached \(1/);
  const blog = item({ source: "blog" });
  assert.match(declines(blog, free, [item()], { ...none, providers: { postgres: 1 } }) ?? "", /limit of provider postgres/);
  assert.match(declines(blog, free, [item(), backup], { ...none, storage: 2 }) ?? "", /limit of storage/);
  assert.match(declines(item(), without(free, [blog]), [], none) ?? "", /needs 10\.0 GB of disk space; 2\.0 GB are free/);
});

test("R53 the signed text of work is the same in any order of its fields, and differs for other work", () => {
  const { key, ...rest } = item();
  assert.equal(textOfWork({ ...rest, key, signature: "x" }), textOfWork(item()));
  assert.notEqual(textOfWork(item({ request: { source: "shop", due: true, most: true } })), textOfWork(item()));
});
