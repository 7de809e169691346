// A repository with very many backups: manifests as they are, written straight to disk because only listing is measured.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeId } from "../src/core/ids.ts";
import { backupFolder, backupFolderName, manifestName } from "../src/repository/layout.ts";

export async function fillRepository(directory: string, count: number): Promise<void> {
  const facts = { sizeBytes: 123_456_789, sha256: "0".repeat(64) };
  for (let n = 0; n < count; n++) {
    const at = new Date(Date.UTC(2024, 0, 1, n));
    const id = makeId(at, new Uint8Array([n, n >> 8, n >> 16, 1, 2]));
    const folder = backupFolderName(at, "full", id);
    const instant = at.toISOString();
    const manifest = {
      format: 1,
      id,
      name: `backup-${n}`,
      source: "shop",
      provider: "postgres",
      engine: "postgres",
      kind: "full",
      startedAt: instant,
      snapshotAt: instant,
      endedAt: instant,
      tiers: [],
      madeBy: { user: "u", host: "h", job: id, lifeboat: "0" },
      server: { version: "15", tool: "pg_dump 15" },
      sourceBytes: facts.sizeBytes,
      parts: [{ name: "data", content: "pg_dump-custom", plain: facts, stored: facts }],
      recipients: [],
      fingerprint: { algorithm: "pg-rows-1", digest: facts.sha256, tables: 1, rows: 1, unhashed: 0 },
      notIncluded: [],
    };
    mkdirSync(join(directory, backupFolder("shop", folder)), { recursive: true });
    writeFileSync(join(directory, manifestName("shop", folder)), `${JSON.stringify(manifest, null, 2)}\n`);
  }
}
