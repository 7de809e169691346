// Handing over a connection string: without its password, unless the user asks for it; or in a file that only its owner can read.
import { randomBytes } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";
import { withoutPassword } from "../core/address.ts";
import { LifeboatError } from "../core/errors.ts";

interface HandedOver {
  readonly label: string;
  readonly url: string;
  /** Where the whole address was written. */
  readonly file: string | null;
}

/** The connection as it may be shown. USAGE when the file cannot be written. An older file of that name is replaced, never opened. */
export async function handOver(
  { label, url }: HandedOver,
  { urlFile, showPassword }: { readonly showPassword?: boolean | undefined; readonly urlFile?: string | undefined },
): Promise<HandedOver> {
  if (urlFile !== undefined) await writePrivate(urlFile, `${url}\n`);
  return { label, url: showPassword === true ? url : withoutPassword(url), file: urlFile ?? null };
}

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
      hint: "the restore is done; name a file in a folder that you may write to",
    });
  }
}
