// Handing over a connection string: without its password, unless somebody asks for it; or in a file that only its owner can read.
import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { redact } from "../config/redact.ts";
import { LifeboatError } from "../core/errors.ts";
import type { Connection } from "../ports/connection.ts";

export interface HandedOver {
  /** As it may be shown. */
  readonly url: string;
  readonly file?: string | undefined;
}

/** USAGE when the file cannot be written. An older file of that name is replaced, never opened: it may have other readers. */
export async function handOver(
  connection: Connection,
  options: { readonly showPassword?: boolean | undefined; readonly urlFile?: string | undefined },
): Promise<HandedOver> {
  const { urlFile: file, showPassword } = options;
  if (file !== undefined) await writePrivate(file, `${connection.url}\n`);
  return { url: showPassword === true ? connection.url : redact(connection.url, []), file };
}

/** Fields of a result's JSON. */
export const connectionJson = (connection: Connection, { url, file }: HandedOver) => ({
  connection: { url, label: connection.label, file: file ?? null },
});

async function writePrivate(file: string, text: string): Promise<void> {
  const fresh = `${file}.${randomBytes(4).toString("hex")}`;
  try {
    await writeFile(fresh, text, { flag: "wx", mode: 0o600 });
    await rename(fresh, file);
  } catch (cause) {
    await rm(fresh, { force: true });
    const { code } = cause as NodeJS.ErrnoException;
    throw new LifeboatError("USAGE", `the connection string cannot be written to ${file} (${code})`, {
      cause,
      hint: "what was restored is there; run `lifeboat list` for its name, and name a file in a folder that you may write to",
    });
  }
}
