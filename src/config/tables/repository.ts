// Options of `repository`: where backups are stored and who can open them.
import { listOf, Mismatch, section, type Type, type Values } from "../../core/option.ts";
import { duration, path, text, written } from "../../core/option-types.ts";
import type { StorageDescriptor } from "../../ports/descriptor.ts";

/** An age recipient. */
const recipient = written("age recipient", { pattern: "^age1[02-9ac-hj-np-z]{58}$" }, (raw) => {
  if (/^AGE-SECRET-KEY/i.test(raw))
    throw new Mismatch("must be a recipient (age1…), never the identity itself: put that in a file and name it with identityFile");
  if (!/^age1[02-9ac-hj-np-z]{58}$/.test(raw))
    throw new Mismatch("must be an age recipient: age1 and 58 more characters (`lifeboat key show` prints it)");
  return raw;
});

/** An Ed25519 public key: base64 of its SPKI form, which begins alike for every key of this kind. */
export const publicKey = written("public key", { pattern: "^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$" }, (raw) => {
  if (/PRIVATE KEY/.test(raw))
    throw new Mismatch("must be a public key, never the private one: put that in a file and name it with keyFile");
  if (!/^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$/.test(raw))
    throw new Mismatch("must be an Ed25519 public key: MCowBQYDK2VwAyEA and 44 more characters (`lifeboat key show` prints it)");
  return raw;
});

const encryption = section(
  {
    recipients: {
      type: listOf(recipient),
      default: [],
      help: "Public keys backups are sealed for; each of their identities opens every backup.",
      example: "[age1…]",
    },
    identityFile: {
      type: path,
      late: true,
      env: "LIFEBOAT_IDENTITY_FILE",
      help: "File with the identity that opens backups. Required to restore, verify and drill; a machine that only backs up does without.",
      example: "/etc/lifeboat/identity.txt",
    },
    passphrase: {
      type: text,
      secret: true,
      help: "Passphrase instead of keys. A machine that makes backups can then open them too.",
    },
    passphraseFile: { type: path, late: true, help: "File with the passphrase, mode 0600." },
  },
  (values) => {
    const passphrases = ["passphrase", "passphraseFile"].filter((key) => values[key] !== undefined);
    if (passphrases.length > 1) return "passphrase and passphraseFile are two answers to one question: keep one";
    const recipients = Array.isArray(values.recipients) && values.recipients.length > 0;
    if (recipients && passphrases.length > 0) return "recipients and a passphrase exclude each other: age allows one or the other";
    if (!recipients && passphrases.length === 0) return "nothing could open a backup: give recipients (`lifeboat key new` makes one)";
    return undefined;
  },
);

const signing = section(
  {
    keyFile: {
      type: path,
      env: "LIFEBOAT_WRITER_KEY_FILE",
      help: "File with the private key that signs what this machine writes, mode 0600. A machine that only restores does without.",
      example: "/etc/lifeboat/writer.pem",
    },
    key: {
      type: text,
      env: "LIFEBOAT_WRITER_KEY",
      secret: true,
      help: "The private key itself, in PEM, where there is no file for it: in the environment of a container or a CI job.",
    },
    trusted: {
      type: listOf(publicKey),
      default: [],
      help: "Public keys whose signatures count, those of other writers and of earlier keys. The own key always counts. `lifeboat key show` prints it.",
      example: "[MCowBQYDK2VwAyEA…]",
    },
  },
  ({ key, keyFile }) =>
    key !== undefined && keyFile !== undefined ? "key and keyFile are two answers to one question: keep one" : undefined,
);

const common = {
  class: { type: text, help: "Storage class of backups whose tier names none.", example: "STANDARD_IA" },
  objectLock: {
    type: duration,
    as: "objectLockMs",
    help: "How long a backup can be neither deleted nor replaced. The bucket must have object lock on; a folder cannot lock.",
    example: "30d",
  },
} as const;

type Common = Values<typeof common>;
/** With the options of the storage that the address names. */
export type StorageValues = Common & Readonly<Record<string, unknown>>;

const table = {
  encryption: { type: encryption, default: {}, help: "Who can open the backups." },
  signing: {
    type: signing,
    default: {},
    help: "Whose signatures count. What no trusted key has signed is never green and never restored by itself.",
  },
} as const;

export type RepositoryValues = Values<typeof table> & { readonly url: string; readonly storage: StorageValues };

const storageOf = (storages: readonly StorageDescriptor[], address: string | undefined) =>
  storages.find(({ scheme }) => address?.startsWith(`${scheme}://`));

/** The address of a storage; a relative one is absolute when loaded. */
export function storageAddress(storages: readonly StorageDescriptor[]) {
  const begins = storages.map(({ scheme }) => `${scheme}://`);
  return written("storage address", { examples: storages.map(({ example }) => example) }, (given, absolute) => {
    const storage = storageOf(storages, given);
    if (storage === undefined || begins.includes(given)) throw new Mismatch(`must be an address that starts with ${begins.join(" or ")}`);
    return storage.absolute?.(given, absolute) ?? given;
  });
}

/** The address, and the options of the storage that it names. */
export function repositoryOf(storages: readonly StorageDescriptor[]): Type<RepositoryValues> {
  const between = storages.map(({ scheme, options, parameters = {}, rule }) => {
    const names = Object.keys(parameters);
    const said =
      names.length === 0 ? "" : ` The address can say ${names.map((name) => `\`${name}\``).join(", ")} itself, and has precedence.`;
    const storage = { type: section({ ...common, ...options }, rule), default: {}, help: `How the storage keeps them.${said}` };
    return [scheme, { groups: [{ table: { storage } }] }] as const;
  });
  return {
    shape: "section",
    word: "section",
    table: {
      url: {
        type: storageAddress(storages),
        required: true,
        env: "LIFEBOAT_REPOSITORY",
        help: "Address of the repository.",
        example: storages[0]?.example ?? "",
      },
      ...table,
    },
    choice: { word: "storage", of: (text) => storageOf(storages, text("url"))?.scheme, between: Object.fromEntries(between) },
  };
}
