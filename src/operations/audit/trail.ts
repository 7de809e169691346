// The audit trail: what changes something is recorded here, by every adapter, because every change is a job or an approval. Where the log
// cannot be written, the entry waits in a file of this machine and is appended as soon as it can be.
import { mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
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
  /** Records an act. Why it is not in the log but on this machine; undefined: it is in the log. AUDIT_UNWRITABLE: it is in neither. */
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

/** A longer reason is cut: an entry that no log takes would wait on this machine, and all later ones behind it. */
const REASON_LENGTH = 2000;

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
      const text = await readFile(file, "utf8").catch((error: unknown) => {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined; // another process has appended it
        throw error;
      });
      if (text === undefined) continue;
      await appendEntry(repository, JSON.parse(text));
      await unlink(file).catch(() => undefined);
    }
  };
  return {
    record: ({ actor = thisUser(), reason, ...act }) =>
      inTurn(async () => {
        const { user, host } = thisOwner();
        const at = clock.now();
        const id = makeId(at, clock.randomBytes(ID_RANDOM_BYTES));
        const entry = { id, at: at.toISOString(), ...act, reason: reason?.slice(0, REASON_LENGTH), actor, process: `${user}@${host}` };
        try {
          await flush();
          await appendEntry(repository, entry);
          return undefined;
        } catch (error) {
          const why = asLifeboatError(error).message;
          // Names sort as the acts followed each other, also within a millisecond.
          const file = join(directory, `${at.getTime()}-${String(kept++).padStart(6, "0")}-${id}.json`);
          await keep(file, entry).catch((cause: unknown) => {
            const said = asLifeboatError(cause).message;
            throw new LifeboatError("AUDIT_UNWRITABLE", `the audit log cannot be written (${why}), nor can ${directory}: ${said}`, {
              cause,
              hint: "make room or rights in one of the two, or name another directory with tools.stateDirectory",
            });
          });
          return why;
        }
      }),
    waiting: async () => (await names()).length,
    flush: () => inTurn(flush),
  };
}

/** Whole and on the disk before it has its name: half an entry would stop all that wait behind it. */
async function keep(file: string, entry: AuditEntry): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const half = `${file}.half`;
  try {
    const handle = await open(half, "wx", 0o600);
    try {
      await handle.writeFile(JSON.stringify(entry));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(half, file);
  } catch (error) {
    await unlink(half).catch(() => undefined);
    throw error;
  }
}
