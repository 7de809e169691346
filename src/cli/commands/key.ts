// `key new` and `key show`: the identity that opens backups, and the recipient they are sealed for.
import { resolve } from "node:path";
import { path } from "../../config/types.ts";
import { EXIT } from "../../core/errors.ts";
import { defineCommand } from "../command.ts";
import { makeIdentityFile, recipientsOfFile } from "../key-files.ts";

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
    const recipient = await makeIdentityFile(target, clock.now());
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
  async run({ args, env, cwd, emit }) {
    const source = args.file ?? resolve(cwd, env.LIFEBOAT_IDENTITY_FILE || DEFAULT_IDENTITY_FILE);
    const recipients = await recipientsOfFile(source);
    emit({ file: source, recipients }, () => recipients.join("\n"));
    return EXIT.done;
  },
});
