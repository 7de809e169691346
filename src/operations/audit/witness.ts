// Copies the checkpoint of the audit log to its witnesses. Only of a log that continues all that a witness has seen: an inconsistent one is
// never witnessed, and is a finding that opens an alert.
import { asLifeboatError, isLifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import { assertNotRolledBack, inconsistency, openCheckpoint, readCheckpoint, rememberHead, treeOf } from "../../repository/audit-log.ts";
import type { Context } from "../context.ts";

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
      try {
        const seen = (await read(signal)).flatMap((note) => openCheckpoint(repository, note) ?? []);
        const newest = seen.sort((a, b) => a.size - b.size).at(-1);
        const why = newest && (await inconsistency(newest, head, tree));
        if (why !== undefined) reasons.push({ code: "AUDIT_INVALID", message: `${why} since witness ${name} saw it` });
        else if (head !== undefined && newest?.size !== head.size) await keep(head.size, head.note, signal);
      } catch (error) {
        signal.throwIfAborted();
        reasons.push({ code: "AUDIT_BEHIND", message: `witness ${name} does not take checkpoints: ${asLifeboatError(error).message}` });
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
