// A storage in memory, for tests that run thousands of schedules: one step of the event loop an operation, one winner of any race.
import { LifeboatError } from "../../src/core/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { ObjectInfo, Storage } from "../../src/ports/storage.ts";

export function memoryStorage(clock: Pick<Clock, "now">): Storage {
  const objects = new Map<string, { readonly info: ObjectInfo; readonly bytes: Uint8Array }>();
  let versions = 0;
  const names = (prefix: string): string[] => [...objects.keys()].filter((name) => name.startsWith(prefix)).sort();
  const unsupported = async (): Promise<never> => {
    throw new LifeboatError("STORAGE_REFUSED", "a storage in memory has no classes");
  };
  return {
    url: "memory:",
    capabilities: { storageClasses: [], archivedClasses: [], objectLock: false },
    async put(name, body, options = {}) {
      const chunks: Uint8Array[] = [];
      if (body instanceof Uint8Array) chunks.push(body);
      else for await (const chunk of body) chunks.push(chunk);
      const found = objects.get(name);
      const conflict =
        options.ifAbsent === true ? found !== undefined : options.ifMatch !== undefined && found?.info.etag !== options.ifMatch;
      if (conflict) throw new LifeboatError("STORAGE_CONFLICT", `${name} is another`);
      const bytes = Buffer.concat(chunks);
      const info = { name, sizeBytes: bytes.length, modifiedAt: clock.now(), etag: String(++versions) };
      objects.set(name, { info, bytes });
      return info;
    },
    async *get(name, { start = 0, end } = {}) {
      const found = objects.get(name);
      if (found === undefined) throw new LifeboatError("OBJECT_MISSING", `${name} is not there`);
      yield found.bytes.subarray(start, end === undefined ? undefined : end + 1);
    },
    head: async (name) => objects.get(name)?.info,
    async *list(prefix) {
      for (const name of names(prefix)) {
        const found = objects.get(name);
        if (found) yield found.info;
      }
    },
    async *listFolders(prefix) {
      const folders = names(prefix).flatMap((name) => /^([^/]+)\//.exec(name.slice(prefix.length))?.[1] ?? []);
      yield* new Set(folders);
    },
    delete: async (name) => void objects.delete(name),
    setStorageClass: unsupported,
    thaw: async () => "ready",
    sweep: async () => 0,
    now: async () => clock.now(),
    close: async () => undefined,
  };
}

/** The storage as one actor of a schedule sees it: every call waits for its turn. */
export function inTurn(storage: Storage, turn: () => Promise<void>): Storage {
  async function* iterate<T>(items: () => AsyncIterable<T>): AsyncIterable<T> {
    await turn();
    yield* items();
  }
  return {
    ...storage,
    put: (...args) => turn().then(() => storage.put(...args)),
    head: (...args) => turn().then(() => storage.head(...args)),
    delete: (...args) => turn().then(() => storage.delete(...args)),
    get: (...args) => iterate(() => storage.get(...args)),
    list: (...args) => iterate(() => storage.list(...args)),
    listFolders: (...args) => iterate(() => storage.listFolders(...args)),
  };
}
