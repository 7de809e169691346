// `key new` and `key show`: the identity that opens backups, and the recipient they are sealed for.
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { path } from "../../config/types.ts";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { generateIdentity, parseIdentityFile, recipientOf } from "../../repository/seal/keys.ts";
import { defineCommand } from "../command.ts";

const DEFAULT_IDENTITY_FILE = "lifeboat-identity.txt";

const file = { type: path, help: "identity file (default: LIFEBOAT_IDENTITY_FILE, else lifeboat-identity.txt)" } as const;

export const keyNew = defineCommand({
  description:
    "Writes a new age identity to FILE, readable by you alone, and prints its recipient. Backups are sealed for the recipient, " +
    "which is no secret; only the identity opens them. An existing file is never overwritten.",
  arguments: { file },
  options: {},
  json: true,
  examples: ["lifeboat key new", "lifeboat key new /etc/lifeboat/identity.txt"],
  async run({ args, env, cwd, clock, emit, paint }) {
    const target = args.file ?? resolve(cwd, env.LIFEBOAT_IDENTITY_FILE || DEFAULT_IDENTITY_FILE);
    const { identity, recipient } = await generateIdentity();
    // The form of age-keygen, so that age reads the file as it is.
    writeOnce(target, `# created: ${clock.now().toISOString()}\n# public key: ${recipient}\n${identity}\n`);
    emit({ file: target, recipient }, () =>
      [
        `${paint.green("✓")} identity  ${target}`,
        `  recipient ${paint.bold(recipient)}`,
        "",
        `${paint.yellow("Keep a copy of the identity somewhere else")}, away from this machine and from the backups:`,
        "without it, no backup sealed for it can ever be opened, by anybody. A password manager or a printed page will do.",
        "Put the recipient under repository.encryption.recipients. A machine that only makes backups does not need the identity.",
      ].join("\n"),
    );
    return EXIT.done;
  },
});

export const keyShow = defineCommand({
  description: "Prints the recipient that belongs to an identity file; never the identity itself.",
  arguments: { file },
  options: {},
  json: true,
  async run({ args, env, cwd, emit, progress }) {
    const source = args.file ?? resolve(cwd, env.LIFEBOAT_IDENTITY_FILE || DEFAULT_IDENTITY_FILE);
    const identities = await parseIdentityFile(read(source), source);
    const recipients = await Promise.all(identities.map(recipientOf));
    if (process.platform !== "win32" && (statSync(source).mode & 0o077) !== 0) {
      progress.note(`${source} can be read by others: run \`chmod 600 ${source}\``);
    }
    emit({ file: source, recipients }, () => recipients.join("\n"));
    return EXIT.done;
  },
});

/** Creates the file with mode 0600 and the text, on the disk before this returns. USAGE when it exists or cannot be made. */
function writeOnce(target: string, text: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(target, "wx", 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") {
      throw new LifeboatError("USAGE", `${target} exists already, and a key that backups may need is never overwritten`, {
        cause: error,
        hint: "name another file, or run `lifeboat key show FILE` to see whose key it is",
      });
    }
    throw new LifeboatError("USAGE", `${target} cannot be written (${code})`, {
      cause: error,
      hint: "name a file in a folder that you may write to",
    });
  }
  try {
    chmodSync(target, 0o600); // a umask can only take away, but some file systems give more than was asked for
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function read(source: string): string {
  try {
    return readFileSync(source, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? `there is no identity file ${source}` : `the identity file ${source} cannot be read (${code})`;
    throw new LifeboatError("KEY_MISSING", why, { cause: error });
  }
}
