// Files with keys: made once, private, never overwritten; read to learn whose key it is. An identity opens backups, a writer key signs them.
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, isAbsolute, relative } from "node:path";
import { parseDocument } from "yaml";
import { readSecretFile } from "../config/secret-file.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import { generateWriter, parseWriter, type Writer } from "../repository/trust.ts";
import { generateIdentity, parseIdentityFile, recipientOf } from "../seal/keys.ts";

/** Makes an identity in a new file, in the form of age-keygen. Returns its recipient. USAGE when the file exists or cannot be made. */
export async function makeIdentityFile(file: string, createdAt: Date): Promise<string> {
  const { identity, recipient } = await generateIdentity();
  writeOnce(file, `# created: ${createdAt.toISOString()}\n# public key: ${recipient}\n${identity}\n`);
  return recipient;
}

/** The recipients that belong to a file's identities. */
export async function recipientsOfFile(file: string): Promise<string[]> {
  return Promise.all((await parseIdentityFile(read(file), file)).map(recipientOf));
}

/** Makes a writer key in a new file. Returns its public key. USAGE when the file exists or cannot be made. */
export function makeWriterFile(file: string): string {
  const { pem, publicKey } = generateWriter();
  writeOnce(file, pem);
  return publicKey;
}

/** SECRET_MISSING, KEY_INVALID. */
export const writerOfFile = (file: string): Writer => parseWriter(readSecretFile(file), file);

/** The file with mode 0600 and the text, on the disk before this returns. */
function writeOnce(file: string, text: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, "wx", 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") {
      throw new LifeboatError("USAGE", `${file} exists already, and a key that backups may need is never overwritten`, {
        cause: error,
        hint: "name another file, or run `lifeboat key show FILE` to see whose key it is",
      });
    }
    throw new LifeboatError("USAGE", `${file} cannot be written (${code})`, {
      cause: error,
      hint: "name a file in a folder that you may write to",
    });
  }
  try {
    chmodSync(file, 0o600); // a umask only removes permissions, but some file systems grant more than was asked for
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** An identity file: KEY_MISSING, SECRET_EXPOSED. */
function read(file: string): string {
  try {
    return readSecretFile(file);
  } catch (cause) {
    if (!isLifeboatError(cause, "SECRET_MISSING")) throw cause;
    const why = cause.message.replace("the secret's file", "the identity file");
    throw new LifeboatError("KEY_MISSING", existsSync(file) ? why : `there is no identity file ${file}`, { cause: cause.cause });
  }
}

/** A path as a configuration in that folder writes it: relative for a file in the folder, absolute for any other. */
export function pathFrom(folder: string, file: string): string {
  const path = relative(folder, file);
  return path.startsWith("..") || isAbsolute(path) ? file : path;
}

/** Names a writer key in the configuration, which keeps its comments. */
export function nameWriter(configFile: string, keyFile: string, trusted: readonly string[]): void {
  const document = parseDocument(readFileSync(configFile, "utf8"));
  document.setIn(["repository", "signing", "keyFile"], pathFrom(dirname(configFile), keyFile));
  document.setIn(["repository", "signing", "trusted"], document.createNode(trusted, { flow: true }));
  replaceFile(configFile, document.toString({ lineWidth: 0, flowCollectionPadding: false }));
}

/** Replaces the text in one act: a crash leaves the old text or the new one. A link to the file stays, and the file behind it is replaced. */
function replaceFile(file: string, text: string): void {
  const target = realpathSync(file);
  const fresh = `${target}.${process.pid}.new`;
  const { mode, uid, gid } = statSync(target);
  try {
    const descriptor = openSync(fresh, "wx", 0o600);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (process.getuid?.() === 0) chownSync(fresh, uid, gid);
    chmodSync(fresh, mode & 0o777);
    renameSync(fresh, target);
  } catch (cause) {
    rmSync(fresh, { force: true });
    const { code } = cause as NodeJS.ErrnoException;
    throw new LifeboatError("USAGE", `the configuration ${file} cannot be changed (${code}); it is as it was`, {
      cause,
      hint: "name the key's file with repository.signing.keyFile and its public key, which `lifeboat key show FILE` prints, with repository.signing.trusted",
    });
  }
}
