// The deployment log: one line a point, appended on request. For people and for `git`; nothing here ever reads it.
import { appendFile } from "node:fs/promises";
import { LifeboatError } from "../../core/errors.ts";

export interface DeployLogEntry {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly source: string;
  readonly name: string;
  readonly id: string;
  readonly madeBy: string;
  readonly reason: string | null;
  readonly note: string | null;
}

/** Appends `instant  source  name (id)  by  reason  note`, separated by tabs. USAGE when the file cannot be written. */
export async function appendDeployLog(file: string, { time, source, name, id, madeBy, reason, note }: DeployLogEntry): Promise<void> {
  const fields = [time, source, `${name} (${id})`, madeBy, reason ?? "-", note ?? "-"];
  const line = fields.map((field) => field.replace(/\s+/g, " ").trim()).join("\t");
  try {
    await appendFile(file, `${line}\n`); // one write, so that two at once mix lines and never halves of lines
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new LifeboatError("USAGE", `${name} of ${source} was made, but the deployment log ${file} cannot be written (${code})`, {
      cause,
      hint: "name a file in a folder that you may write to, and add the line by hand",
    });
  }
}
