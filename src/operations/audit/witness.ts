// Copies the checkpoint of the audit log to its witnesses. Only of a log that continues all that a witness has seen: an inconsistent one is
// never witnessed, and is a finding that opens an alert.
import { asLifeboatError, isLifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import { assertNotRolledBack, inconsistency, openCheckpoint, readCheckpoint, rememberHead, treeOf } from "../../repository/audit-log.ts";
import type { Context } from "../context.ts";

/** A witness that has this very checkpoint is not asked again for so long: this machine remembers it itself. */
const ASK_AGAIN_MS = 15 * 60_000;
const NEWEST = 3;

/** Witnesses the newest checkpoint. What is wrong with the log, its witnesses, or the entries that wait on this machine. */
export async function witnessAudit(context: Context, signal: AbortSignal): Promise<HealthReason[]> {
  const { repository, audit, witnesses = [] } = context;
  const reasons: HealthReason[] = [];
  try {
    await audit?.flush().catch((error: unknown) => {
      if (!isLifeboatError(error)) throw error;
    });
    const head = await readCheckpoint(repository, signal);
    const tree = treeOf(repository, head?.size ?? 0, signal);
    await assertNotRolledBack(repository, head, tree);
    if (head !== undefined) rememberHead(repository, head);
    for (const { name, read, keep } of witnesses) {
      const now = context.clock.now().getTime();
      const remembered = `${head?.size ?? 0} ${head === undefined ? "" : Buffer.from(head.root).toString("base64")}`;
      const [known = "", at = "0"] = (repository.memory.text(`witness ${name}`) ?? "").split("|");
      if (known === remembered && now - Number(at) < ASK_AGAIN_MS) continue;
      try {
        const seen = (await read(NEWEST, signal)).flatMap((note) => openCheckpoint(repository, note) ?? []);
        const newest = seen.sort((a, b) => a.size - b.size).at(-1);
        const why = newest && (await inconsistency(newest, head, tree));
        if (why !== undefined) reasons.push({ code: "AUDIT_INVALID", message: `${why} since witness ${name} saw it` });
        else {
          if (head !== undefined && newest?.size !== head.size) await keep(head.size, head.note, signal);
          repository.memory.seeText(`witness ${name}`, `${remembered}|${now}`);
        }
      } catch (error) {
        signal.throwIfAborted();
        const code = isLifeboatError(error, "AUDIT_INVALID") ? "AUDIT_INVALID" : "AUDIT_BEHIND";
        reasons.push({ code, message: `witness ${name} does not take checkpoints: ${asLifeboatError(error).message}` });
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error, "AUDIT_INVALID")) throw error;
    reasons.push({ code: "AUDIT_INVALID", message: error.message });
  }
  const waiting = (await audit?.waiting()) ?? 0;
  if (waiting > 0) reasons.push({ code: "AUDIT_BEHIND", message: `${waiting} entries of the audit log wait on this machine` });
  return reasons;
}
