import assert from "node:assert/strict";
import { test } from "node:test";
import { pointAt } from "../../test/support/points.ts";
import type { Manifest } from "./manifest.ts";
import { exposureMs, isDamaged, isVerified, pointJson, restorePointOf } from "./restore-point.ts";

const at = (text: string): Date => new Date(text);
const bytes = (sizeBytes: number) => ({ sizeBytes, sha256: "0".repeat(64) });

const manifest: Manifest = {
  format: 1,
  id: "01kahd3m0q7zv2",
  name: "backup-2026-11-21",
  source: "shop",
  provider: "postgres",
  engine: "postgres",
  kind: "full",
  startedAt: "2026-11-21T02:00:00.000Z",
  snapshotAt: "2026-11-21T02:00:01.500Z",
  endedAt: "2026-11-21T02:04:00.000Z",
  tiers: ["daily"],
  expiresAt: "2026-12-21T02:00:01.500Z",
  storageClass: "STANDARD_IA",
  reason: "pre-migration, schema v1.5",
  note: "weekly clean-up",
  madeBy: { user: "ann", host: "ops1", job: "01kahd3kzz0000", lifeboat: "0.1.0" },
  server: { version: "15.20", tool: "pg_dump 15.20" },
  sourceBytes: 5000,
  parts: [
    { name: "data", content: "pg_dump-custom", plain: bytes(4000), stored: bytes(1000) },
    { name: "fingerprint", content: "fingerprint-json", plain: bytes(400), stored: bytes(234) },
  ],
  recipients: ["age1x"],
  fingerprint: { algorithm: "a", digest: "d", tables: 1, rows: 1, unhashed: 0 },
  notIncluded: [],
};

test("R2 R6 a backup is listed with its name, instants, stored size, reason, note, maker and marks", () => {
  const hold = { by: "bob", at: at("2026-11-22T00:00:00Z"), reason: "audit" };
  const point = restorePointOf(manifest, { hold, verifiedAt: at("2026-11-23T00:00:00Z"), storageClass: "GLACIER" });
  assert.deepEqual(pointJson(point), {
    id: "01kahd3m0q7zv2",
    source: "shop",
    kind: "full",
    name: "backup-2026-11-21",
    time: "2026-11-21T02:00:01.500Z",
    endedAt: "2026-11-21T02:04:00.000Z",
    expiresAt: "2026-12-21T02:00:01.500Z",
    sizeBytes: 1234,
    sourceBytes: 5000,
    storageClass: "GLACIER",
    tiers: ["daily"],
    hold: { by: "bob", at: "2026-11-22T00:00:00.000Z", reason: "audit" },
    verifiedAt: "2026-11-23T00:00:00.000Z",
    damagedAt: null,
    reason: "pre-migration, schema v1.5",
    note: "weekly clean-up",
    madeBy: "ann@ops1",
    signed: true,
    incomplete: null,
  });
});

test("absent values are null in the JSON, so that every field is always present", () => {
  const { expiresAt: _e, storageClass: _s, reason: _r, note: _n, ...bare } = manifest;
  const json = pointJson(restorePointOf(bare));
  for (const key of ["expiresAt", "storageClass", "hold", "verifiedAt", "damagedAt", "reason", "note"] as const)
    assert.equal(json[key], null, key);
  assert.deepEqual(Object.keys(json), Object.keys(pointJson(restorePointOf(manifest))));
  assert.equal(restorePointOf(manifest).storageClass, "STANDARD_IA");
});

test("the latest mark decides whether a point is verified or damaged; at the same instant, damage does", () => {
  const [early, late] = [at("2026-11-22T00:00:00Z"), at("2026-11-23T00:00:00Z")];
  const words = (verifiedAt?: Date, damagedAt?: Date) => {
    const point = pointAt("2026-11-21T02:00:00Z", { verifiedAt, damagedAt });
    return [isVerified(point), isDamaged(point)];
  };
  assert.deepEqual(words(), [false, false]);
  assert.deepEqual(words(early), [true, false]);
  assert.deepEqual(words(undefined, early), [false, true]);
  assert.deepEqual(words(early, late), [false, true]);
  assert.deepEqual(words(late, early), [true, false]);
  assert.deepEqual(words(early, early), [false, true]);
});

test("exposure counts from the newest undamaged restore point of the whole database", () => {
  const now = at("2026-11-25T12:00:00Z");
  const old = pointAt("2026-11-24T12:00:00Z");
  assert.equal(exposureMs([], now), undefined);
  assert.equal(exposureMs([old], now), 86_400_000);
  assert.equal(exposureMs([old, pointAt("2026-11-25T11:00:00Z", { kind: "schema" })], now), 86_400_000);
  assert.equal(exposureMs([old, pointAt("2026-11-25T11:00:00Z", { damagedAt: now })], now), 86_400_000);
  assert.equal(exposureMs([pointAt("2026-11-25T11:00:00Z"), old], now), 3_600_000);
  assert.equal(exposureMs([pointAt("2026-11-25T12:00:05Z")], now), 0);
});
