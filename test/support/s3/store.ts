// The stored objects: bodies as files, facts as small JSON files beside them, and an index of both in memory.
import { randomUUID } from "node:crypto";
import { createReadStream, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChecksumName } from "./checksums.ts";
import { noSuchKey, preconditionFailed, S3Error } from "./errors.ts";

export interface Piece {
  readonly path: string;
  readonly sizeBytes: number;
}

/** What a request sets on the object it makes. */
export interface ObjectTraits {
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string;
  readonly storageClass: string;
  readonly lock?: { readonly mode: string; readonly untilMs: number } | undefined;
  readonly encryption?: { readonly algorithm: string; readonly keyId?: string | undefined } | undefined;
}

export interface StoredObject extends ObjectTraits {
  readonly id: string;
  readonly key: string;
  readonly pieces: readonly Piece[];
  readonly sizeBytes: number;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly checksums: Readonly<Partial<Record<ChecksumName, string>>>;
  /** A requested restore from archive: when the copy is readable, and until when. */
  readonly thaw?: { readonly readyMs: number; readonly untilMs: number } | undefined;
}

export interface Conditions {
  readonly ifNoneMatch?: string | undefined;
  readonly ifMatch?: string | undefined;
}

export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly startedMs: number;
  readonly traits: ObjectTraits;
  readonly parts: Map<number, Piece & { readonly md5: string; readonly modifiedMs: number; readonly checksums: StoredObject["checksums"] }>;
}

export class ObjectStore {
  readonly objects = new Map<string, StoredObject>();
  readonly uploads = new Map<string, Upload>();
  /** Deleted keys, of which a server with versioning keeps a marker. */
  readonly removed = new Set<string>();
  readonly #directory: string;
  readonly #now: () => number;
  usedBytes = 0;

  constructor(directory: string, now: () => number) {
    this.#directory = directory;
    this.#now = now;
    mkdirSync(join(directory, "data"), { recursive: true, mode: 0o700 });
    mkdirSync(join(directory, "objects"), { recursive: true, mode: 0o700 });
    this.#load();
  }

  newPath(): string {
    return join(this.#directory, "data", randomUUID());
  }

  get(key: string): StoredObject {
    const found = this.objects.get(key);
    if (found === undefined) throw noSuchKey();
    return found;
  }

  /** Keys in the order S3 lists them: by the bytes of their UTF-8. */
  sortedKeys(prefix: string, removed: Iterable<string> = []): string[] {
    return [...new Set([...this.objects.keys(), ...removed])]
      .filter((key) => key.startsWith(prefix))
      .sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  }

  /** Checks and commits in one turn of the event loop: exactly one of any number of racers wins. */
  commit(object: Omit<StoredObject, "id" | "modifiedMs">, conditions: Conditions): StoredObject {
    const current = this.objects.get(object.key);
    if (conditions.ifNoneMatch !== undefined && current !== undefined) throw preconditionFailed("If-None-Match");
    if (conditions.ifMatch !== undefined) {
      if (current === undefined) throw noSuchKey();
      if (conditions.ifMatch !== current.etag) throw preconditionFailed("If-Match");
    }
    if (current !== undefined) this.#assertUnlocked(current);
    const stored: StoredObject = { ...object, id: randomUUID(), modifiedMs: Math.floor(this.#now() / 1000) * 1000 };
    this.#write(stored);
    const kept = new Set(stored.pieces.map((piece) => piece.path));
    if (current !== undefined) this.#forget(current, kept);
    return stored;
  }

  /** Changes facts of an object in place, as a restore from archive does. */
  update(object: StoredObject): void {
    this.#write(object);
  }

  delete(key: string): void {
    const current = this.objects.get(key);
    if (current === undefined) return;
    this.#assertUnlocked(current);
    this.objects.delete(key);
    this.removed.add(key);
    this.#forget(current, new Set());
  }

  dropPieces(pieces: Iterable<Piece>): void {
    for (const piece of pieces) {
      rmSync(piece.path, { force: true });
      this.usedBytes -= piece.sizeBytes;
    }
  }

  /** Bytes of an object from `start` to `end`, inclusive. */
  async *read(object: StoredObject, start: number, end: number): AsyncGenerator<Buffer> {
    let offset = 0;
    for (const piece of object.pieces) {
      const from = Math.max(start - offset, 0);
      const to = Math.min(end - offset, piece.sizeBytes - 1);
      if (from <= to) yield* createReadStream(piece.path, { start: from, end: to, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>;
      offset += piece.sizeBytes;
    }
  }

  #assertUnlocked(object: StoredObject): void {
    if (object.lock !== undefined && object.lock.untilMs > this.#now()) {
      throw new S3Error(403, "AccessDenied", "Access Denied because object protected by object lock.");
    }
  }

  #write(object: StoredObject): void {
    const path = join(this.#directory, "objects", `${object.id}.json`);
    writeFileSync(`${path}.new`, JSON.stringify(object), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    this.objects.set(object.key, object);
  }

  #forget(object: StoredObject, kept: ReadonlySet<string>): void {
    rmSync(join(this.#directory, "objects", `${object.id}.json`), { force: true });
    this.dropPieces(object.pieces.filter((piece) => !kept.has(piece.path)));
  }

  #load(): void {
    const folder = join(this.#directory, "objects");
    for (const name of readdirSync(folder)) {
      if (!name.endsWith(".json")) continue;
      const object = JSON.parse(readFileSync(join(folder, name), "utf8")) as StoredObject;
      const twin = this.objects.get(object.key); // a crash between writing the new and forgetting the old
      if (twin !== undefined && twin.modifiedMs > object.modifiedMs) continue;
      this.objects.set(object.key, object);
      this.usedBytes += object.sizeBytes;
    }
    const known = new Set([...this.objects.values()].flatMap((object) => object.pieces.map((piece) => piece.path)));
    for (const name of readdirSync(join(this.#directory, "data"))) {
      const path = join(this.#directory, "data", name);
      if (!known.has(path)) rmSync(path, { force: true });
    }
  }
}
