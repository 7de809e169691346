// `key new`, `key writer`, `key show`, `key rotate`: the identity that opens backups, and the key that signs what is written.
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { flag, path } from "../../core/option-types.ts";
import { visible } from "../../core/visible.ts";
import { resignRepository } from "../../operations/settings/rotate-key.ts";
import { pemOf, requireWriter } from "../../repository/trust.ts";
import { defineCommand } from "../command.ts";
import { makeIdentityFile, makeWriterFile, nameWriter, recipientsOfFile, writerOfFile } from "../key-files.ts";
import { withContext } from "../session.ts";

const DEFAULT_IDENTITY_FILE = "lifeboat-identity.txt";
export const DEFAULT_APPROVER_FILE = "lifeboat-approver.pem";
const DEFAULT_WRITER_FILE = "lifeboat-writer.pem";

const file = { type: path, help: "identity file (default: LIFEBOAT_IDENTITY_FILE, else lifeboat-identity.txt)" } as const;

export const keyNew = defineCommand({
  description:
    "Writes a new age identity to FILE, readable by you alone, and prints its recipient. Backups are sealed for the recipient, " +
    "which is not secret; only the identity opens them. An existing file is never overwritten.",
  arguments: { file },
  options: {},
  json: true,
  examples: ["lifeboat key new", "lifeboat key new /etc/lifeboat/identity.txt"],
  async run({ args, env, cwd, clock, emit, paint }) {
    const target = args.file ?? resolve(cwd, env.LIFEBOAT_IDENTITY_FILE || DEFAULT_IDENTITY_FILE);
    const recipient = await makeIdentityFile(target, clock.now());
    emit({ file: target, recipient }, () =>
      [
        `${paint.green("✓")} identity  ${target}`,
        `  recipient ${paint.bold(recipient)}`,
        "",
        `${paint.yellow("Keep a copy of the identity somewhere else")}, away from this machine and from the backups:`,
        "without it, no backup sealed for it can ever be opened. A password manager or a printed page will do.",
        "Put the recipient under repository.encryption.recipients. A machine that only makes backups does not need the identity.",
      ].join("\n"),
    );
    return EXIT.done;
  },
});

export const keyWriter = defineCommand({
  description:
    "Writes a new Ed25519 private key to FILE, readable by you alone, and prints its public key. A machine signs all that it stores with its writer key; what no trusted key has signed is never green and never restored by default. The private key stays on the machine that writes, never in the storage.",
  arguments: { file: { type: path, help: "key file (default: LIFEBOAT_WRITER_KEY_FILE, else lifeboat-writer.pem)" } },
  options: {},
  json: true,
  examples: ["lifeboat key writer", "lifeboat key writer /etc/lifeboat/writer.pem"],
  async run({ args, env, cwd, emit, paint }) {
    const target = args.file ?? resolve(cwd, env.LIFEBOAT_WRITER_KEY_FILE || DEFAULT_WRITER_FILE);
    const publicKey = makeWriterFile(target);
    emit({ file: target, publicKey }, () =>
      [
        `${paint.green("✓")} writer key  ${target}`,
        `  public key  ${paint.bold(publicKey)}`,
        "",
        "Name the file with repository.signing.keyFile on the machine that writes.",
        "Put the public key under repository.signing.trusted on every machine that reads what it wrote.",
      ].join("\n"),
    );
    return EXIT.done;
  },
});

export const keyApprover = defineCommand({
  description:
    "Writes a new Ed25519 private key to FILE, readable by you alone, and prints its public key. `lifeboat approve` signs with it. It belongs to one person, and never to a machine that restores.",
  arguments: { file: { type: path, help: "key file (default: LIFEBOAT_APPROVER_KEY_FILE, else lifeboat-approver.pem)" } },
  options: {},
  json: true,
  examples: ["lifeboat key approver", "lifeboat key approver ~/.config/lifeboat/approver.pem"],
  async run({ args, env, cwd, emit, paint }) {
    const target = args.file ?? resolve(cwd, env.LIFEBOAT_APPROVER_KEY_FILE || DEFAULT_APPROVER_FILE);
    const publicKey = makeWriterFile(target);
    emit({ file: target, publicKey }, () =>
      [
        `${paint.green("✓")} approver key ${target}`,
        `  public key   ${paint.bold(publicKey)}`,
        "",
        "Put the public key under approval.approvers.NAME.key on every machine that restores.",
      ].join("\n"),
    );
    return EXIT.done;
  },
});

export const keyShow = defineCommand({
  description:
    "Prints the recipient that belongs to an identity file, or the public key that belongs to a writer key; never the secret itself.",
  arguments: { file: { ...file, help: `${file.help}, or the file of a writer key` } },
  options: { pem: { type: flag, help: "Print the public key of a writer as a PEM file, the form that openssl takes." } },
  json: true,
  examples: ["lifeboat key show", "lifeboat key show lifeboat-writer.pem --pem > writer-public.pem"],
  async run({ args, options, env, cwd, emit }) {
    const source = args.file ?? resolve(cwd, env.LIFEBOAT_IDENTITY_FILE || DEFAULT_IDENTITY_FILE);
    if (isPem(source)) {
      const { publicKey } = writerOfFile(source);
      emit({ file: source, publicKey: publicKey.text }, () => (options.pem ? pemOf(publicKey).trimEnd() : publicKey.text));
      return EXIT.done;
    }
    const recipients = await recipientsOfFile(source);
    emit({ file: source, recipients }, () => recipients.join("\n"));
    return EXIT.done;
  },
});

function isPem(source: string): boolean {
  try {
    return readFileSync(source, "utf8").startsWith("-----BEGIN ");
  } catch {
    return false; // the next reader reports it
  }
}

export const keyRotate = defineCommand({
  description:
    "Makes a new writer key and names it in the configuration. What the old key has signed still counts. With --distrust, for a key that may be in other hands, all that this machine knows is signed anew and the old key is no longer trusted; restore points that this machine has never seen are named and left, because they may be forged.",
  arguments: { file: { type: path, help: "file of the new key (default: lifeboat-writer-YYYYMMDD.pem beside the configuration)" } },
  options: { distrust: { type: flag, help: "Sign everything anew, and stop trusting the old key." } },
  json: true,
  examples: ["lifeboat key rotate", "lifeboat key rotate /etc/lifeboat/writer-2.pem --distrust"],
  async run(call) {
    const { args, options, configFile, clock, env, paint } = call;
    const { signing } = call.config().repository;
    if (signing.keyFile === undefined || env.LIFEBOAT_WRITER_KEY_FILE !== undefined) {
      throw new LifeboatError("USAGE", "the writer key does not come from repository.signing.keyFile, so it cannot be replaced there", {
        hint: "make a key with `lifeboat key writer FILE`, add the old public key to repository.signing.trusted, then use the new file",
      });
    }
    return withContext(call, async (context) => {
      const old = requireWriter(context.repository.trust).publicKey;
      const day = clock.now().toISOString().slice(0, 10).replaceAll("-", "");
      const target = args.file ?? resolve(dirname(configFile), `lifeboat-writer-${day}.pem`);
      const publicKey = makeWriterFile(target);
      const resigned = options.distrust ? await resignRepository(context, writerOfFile(target), context) : undefined;
      const trusted = [...new Set([...signing.trusted, old.text, publicKey])].filter((key) => !options.distrust || key !== old.text);
      nameWriter(configFile, target, trusted);
      const unknown = resigned?.unknown ?? [];
      call.emit({ file: target, publicKey, trusted, signed: resigned?.count ?? 0, unknown }, () =>
        [
          `${paint.green("✓")} writer key  ${target}`,
          `  public key  ${paint.bold(publicKey)}`,
          ...(resigned === undefined ? [] : [`  signed anew ${resigned.count} objects; the old key is trusted no more`]),
          ...unknown.map((name) => `  ${paint.yellow("not signed")}: ${visible(name)} was never seen by this machine`),
          `Put the public key under repository.signing.trusted on every other machine${options.distrust ? ", and remove the old one there" : ""}.`,
        ].join("\n"),
      );
      return unknown.length > 0 ? EXIT.inconclusive : EXIT.done;
    });
  },
});
