// A repository with very many backups: signed manifests as they are, written straight to disk because only listing is measured.
// Their parts are sparse files of the right size.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeId } from "../src/core/ids.ts";
import { encodeJson } from "../src/repository/json-object.ts";
import { backupFolder, backupFolderName, IDENTITY_FILE, manifestName, partName } from "../src/repository/layout.ts";
import { signatureName } from "../src/repository/signed.ts";
import { parseWriter } from "../src/repository/trust.ts";

/** `lastAt`: of the newest; the others are an hour apart. Default: the first is of 2024. */
export function fillRepository(directory: string, count: number, writerFile: string, source = "shop", lastAt?: Date): void {
  const writer = parseWriter(readFileSync(writerFile, "utf8"), writerFile);
  const { id: repository } = JSON.parse(readFileSync(join(directory, IDENTITY_FILE), "utf8")) as { id: string };
  const facts = { sizeBytes: 123_456_789, sha256: "0".repeat(64) };
  let previous: { readonly id: string; readonly sha256: string } | undefined;
  for (let n = 0; n < count; n++) {
    const at = new Date(lastAt === undefined ? Date.UTC(2024, 0, 1, n) : lastAt.getTime() - (count - 1 - n) * 3_600_000);
    const id = makeId(at, createHash("sha256").update(`${source} ${n}`).digest().subarray(0, 5));
    const folder = backupFolderName(at, "full", id);
    const instant = at.toISOString();
    const bytes = encodeJson({
      format: 1,
      id,
      name: `backup-${n}`,
      source,
      provider: "postgres",
      engine: "postgres",
      kind: "full",
      previous,
      startedAt: instant,
      snapshotAt: instant,
      endedAt: instant,
      tiers: lastAt === undefined ? [] : ["daily"],
      madeBy: { user: "u", host: "h", job: id, lifeboat: "0" },
      server: { version: "15", tool: "pg_dump 15" },
      sourceBytes: facts.sizeBytes,
      parts: ["data", "fingerprint"].map((name) => ({ name, content: "test", plain: facts, stored: facts })),
      recipients: [],
      fingerprint: { algorithm: "pg-rows-1", digest: facts.sha256, tables: 1, rows: 1, unhashed: 0 },
      notIncluded: [],
      type: "manifest",
      repository,
    });
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    previous = { id, sha256 };
    const name = manifestName(source, folder);
    mkdirSync(join(directory, backupFolder(source, folder)), { recursive: true });
    writeFileSync(join(directory, signatureName(name, sha256)), writer.sign(bytes));
    writeFileSync(join(directory, name), bytes);
    for (const part of ["data", "fingerprint"]) {
      const file = join(directory, partName(source, folder, part));
      writeFileSync(file, "");
      truncateSync(file, facts.sizeBytes);
    }
  }
}
