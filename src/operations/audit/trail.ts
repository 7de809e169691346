// The audit trail: what changes something is recorded here, by every adapter, because every change is a job or an approval. Where the log
// cannot be written, the entry waits in a file of this machine and is appended as soon as it can be.
import { mkdir, open, readdir, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { asLifeboatError } from "../../core/errors.ts";
import { ID_RANDOM_BYTES, makeId } from "../../core/ids.ts";
import type { Actor } from "../../core/people.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AuditEntry } from "../../repository/audit-entry.ts";
import { appendEntry } from "../../repository/audit-log.ts";
import { thisOwner } from "../../repository/owner.ts";
import type { Repository } from "../../repository/repository.ts";

/** What is recorded; the rest of an entry is the trail's. Absent actor: the user of this machine who runs the process. */
export type Act = Omit<AuditEntry, "id" | "at" | "process" | "actor"> & { readonly actor?: Actor | undefined };

export interface AuditTrail {
  /** Records an act. Why it is not in the log but on this machine; undefined: it is in the log. Throws nothing of the storage's. */
  record(act: Act): Promise<string | undefined>;
  /** How many entries wait on this machine. */
  waiting(): Promise<number>;
  /** Appends what waits, as far as it can. */
  flush(): Promise<void>;
}

export const thisUser = (): Actor => {
  const { user, host } = thisOwner();
  return { kind: "user", name: `${user}@${host}`, via: "library" };
};

/** `directory`: where entries wait that the log did not take. */
export function openTrail(repository: Repository, directory: string, clock: Clock): AuditTrail {
  let queue: Promise<unknown> = Promise.resolve();
  let kept = 0;
  /** One after the other, so that two jobs of this process do not compete. */
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const next = queue.then(act);
    queue = next.catch(() => undefined);
    return next;
  };
  const names = async (): Promise<string[]> => (await readdir(directory).catch(() => [])).filter((name) => name.endsWith(".json")).sort();
  const flush = async (): Promise<void> => {
    for (const name of await names()) {
      const file = join(directory, name);
      await appendEntry(repository, JSON.parse(await readFile(file, "utf8")));
      await unlink(file).catch(() => undefined);
    }
  };
  return {
    record: ({ actor = thisUser(), ...act }) =>
      inTurn(async () => {
        const { user, host } = thisOwner();
        const at = clock.now();
        const id = makeId(at, clock.randomBytes(ID_RANDOM_BYTES));
        const entry = { id, at: at.toISOString(), ...act, actor, process: `${user}@${host}` };
        try {
          await flush();
          await appendEntry(repository, entry);
          return undefined;
        } catch (error) {
          // Names sort as the acts followed each other, also within a millisecond.
          await keep(join(directory, `${at.getTime()}-${String(kept++).padStart(6, "0")}-${id}.json`), entry);
          return asLifeboatError(error).message;
        }
      }),
    waiting: async () => (await names()).length,
    flush: () => inTurn(flush),
  };
}

/** On the disk before this returns. */
async function keep(file: string, entry: AuditEntry): Promise<void> {
  await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(JSON.stringify(entry));
    await handle.sync();
  } finally {
    await handle.close();
  }
}
