// Open cursors: where a read continues with the next batch.
import type { Position } from "./position.ts";
import type { Raw } from "./raw.ts";
import { MAX_DOCUMENT_BYTES } from "./wire.ts";

export interface CursorSource {
  /** The next document, or undefined when there is none (now, for a tailing one). */
  next(): Raw | undefined;
  /** Waits for more to come, for a tailing cursor on data that wait. */
  readonly tail?: { readonly awaitData: boolean; lost(): boolean } | undefined;
  /** Why it cannot continue: the collection was dropped. */
  killed?(): Error | undefined;
}

export interface Cursor {
  readonly id: bigint;
  readonly ns: string;
  readonly source: CursorSource;
  readonly atClusterTime: Position | undefined;
  held: Raw | undefined;
  readonly session: string | undefined;
}

/** Documents for one batch: as many as asked for, and not more bytes than a reply may hold. `done`: none will follow. */
export function takeBatch(cursor: Pick<Cursor, "source" | "held">, most: number): { readonly documents: Raw[]; readonly done: boolean } {
  const documents: Raw[] = [];
  let bytes = 0;
  while (documents.length < most) {
    const next = cursor.held ?? cursor.source.next();
    cursor.held = undefined;
    if (next === undefined) return { documents, done: cursor.source.tail === undefined };
    bytes += next.length;
    if (bytes > MAX_DOCUMENT_BYTES && documents.length > 0) {
      cursor.held = next;
      return { documents, done: false };
    }
    documents.push(next);
  }
  if (cursor.source.tail !== undefined) return { documents, done: false };
  cursor.held = cursor.source.next();
  return { documents, done: cursor.held === undefined };
}

export const sourceOf = (documents: Iterator<Raw, unknown>): CursorSource => ({
  next() {
    const step = documents.next();
    return step.done === true ? undefined : step.value;
  },
});

export class Cursors {
  readonly #open = new Map<bigint, Cursor>();
  #last = 4_611_686_018_427_387_904n + BigInt(Math.floor(performance.now() * 1000));

  open(cursor: Omit<Cursor, "id">): Cursor {
    this.#last += 7919n;
    const made: Cursor = { ...cursor, id: this.#last };
    this.#open.set(made.id, made);
    return made;
  }

  find(id: bigint): Cursor | undefined {
    return this.#open.get(id);
  }

  close(id: bigint): boolean {
    return this.#open.delete(id);
  }

  /** Closes those of a session. */
  closeSession(session: string): void {
    for (const cursor of this.#open.values()) if (cursor.session === session) this.#open.delete(cursor.id);
  }

  clear(): void {
    this.#open.clear();
  }

  get count(): number {
    return this.#open.size;
  }
}
