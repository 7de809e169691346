import assert from "node:assert/strict";
import { test } from "node:test";
import { serialize } from "bson";
import { ArchiveReader } from "../archive/archive.ts";
import { OPLOG, type Prelude } from "../archive/prelude.ts";
import { ArchiveAssembly } from "./assembly.ts";

const PRELUDE: Prelude = {
  concurrentCollections: 1,
  serverVersion: "8.0.0",
  toolVersion: "t",
  collections: [{ db: "shop", collection: "users", type: "collection", metadata: "{}" }, OPLOG],
};
const DOCUMENTS = Buffer.concat([serialize({ _id: 1 }), serialize({ _id: 2 })]);

test("R27 what was assembled is an archive, and its fingerprint is of the same bytes; the oplog is in none", () => {
  const assembly = new ArchiveAssembly(PRELUDE);
  const bytes = Buffer.concat([
    ...assembly.begin(),
    ...assembly.add(0, DOCUMENTS, 2),
    ...assembly.close(0),
    ...assembly.add(1, serialize({ op: "i" }), 1),
    ...assembly.close(1),
  ]);
  const [users, oplog] = assembly.end();
  assert.equal(users?.rows, 2);
  assert.match(users?.digest ?? "", /^[0-9a-f]{64}$/);
  assert.deepEqual(oplog, { rows: 1, digest: "" });
  const reader = new ArchiveReader();
  reader.feed(bytes);
  assert.deepEqual(
    reader.end().totals.map(({ rows }) => rows),
    [2, 1],
  );
});

test("R27 an archive that lacks something, or holds another number of documents than were read, is refused", () => {
  const assemble = (act: (assembly: ArchiveAssembly) => void): (() => void) => {
    return () => {
      const assembly = new ArchiveAssembly(PRELUDE);
      assembly.begin();
      act(assembly);
      assembly.end();
    };
  };
  assert.throws(
    assemble((assembly) => assembly.close(0)),
    { code: "INTEGRITY" },
  );
  const closed = (count: number) =>
    assemble((assembly) => {
      assembly.add(0, DOCUMENTS, count);
      assembly.close(0);
      assembly.close(1);
    });
  assert.doesNotThrow(closed(2));
  for (const count of [1, 3]) assert.throws(closed(count), { code: "DUMP_INCOMPLETE" });
  assert.throws(
    assemble((assembly) => assembly.add(0, DOCUMENTS.subarray(0, -1), 2)),
    { code: "INTEGRITY" },
  );
});
