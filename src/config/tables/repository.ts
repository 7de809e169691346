// Options of `repository`: where backups lie and who can open them.
import { listOf, section } from "../../core/option.ts";
import { flag, oneOf, path, text } from "../../core/option-types.ts";
import { duration, publicKey, recipient, repositoryUrl } from "../types-time.ts";

export const encryption = section(
  {
    recipients: {
      type: listOf(recipient),
      default: [],
      help: "Public keys backups are sealed for; each of their identities opens every backup.",
      example: "[age1…]",
    },
    identityFile: {
      type: path,
      env: "LIFEBOAT_IDENTITY_FILE",
      help: "File with the identity that opens backups. Needed to restore, verify and drill; a machine that only backs up does without.",
      example: "/etc/lifeboat/identity.txt",
    },
    passphrase: {
      type: text,
      secret: true,
      help: "Passphrase instead of keys. Whoever can make backups can then open them too.",
    },
    passphraseFile: { type: path, help: "File with the passphrase, mode 0600." },
  },
  (written) => {
    const passphrases = ["passphrase", "passphraseFile"].filter((key) => written[key] !== undefined);
    if (passphrases.length > 1) return "passphrase and passphraseFile are two answers to one question: keep one";
    const recipients = Array.isArray(written.recipients) && written.recipients.length > 0;
    if (recipients && passphrases.length > 0) return "recipients and a passphrase exclude each other: age allows one or the other";
    return undefined;
  },
);

export const signing = section(
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
  (written) =>
    written.key !== undefined && written.keyFile !== undefined ? "key and keyFile are two answers to one question: keep one" : undefined,
);

export const storage = section(
  {
    class: { type: text, help: "Storage class of backups whose tier names none.", example: "STANDARD_IA" },
    serverSideEncryption: { type: oneOf(["AES256", "aws:kms"]), help: "Encryption by the storage itself, on top of the seal." },
    kmsKeyId: { type: text, help: "Key for `aws:kms`; without it, the bucket's own." },
    objectLock: {
      type: duration,
      as: "objectLockMs",
      help: "Nobody can delete or replace a backup before this long has passed. The bucket must have object lock on; a folder cannot lock.",
      example: "30d",
    },
    objectLockMode: {
      type: oneOf(["COMPLIANCE", "GOVERNANCE"]),
      default: "COMPLIANCE",
      help: "Who can lift such a lock: nobody at all, or who has the bucket's permission to bypass it.",
    },
    region: { type: text, env: "AWS_REGION", help: "Region of the bucket, where the address does not say it.", example: "eu-central-1" },
    endpoint: {
      type: text,
      env: "AWS_ENDPOINT_URL_S3",
      help: "Address of an S3 service other than Amazon's.",
      example: "https://s3.example.com",
    },
    pathStyle: { type: flag, help: "Put the bucket into the path instead of the host name; on by itself when `endpoint` is set." },
    accessKeyId: {
      type: text,
      env: "AWS_ACCESS_KEY_ID",
      secret: true,
      help: "Access key; without it, the usual places of the AWS SDK are asked.",
    },
    secretAccessKey: { type: text, env: "AWS_SECRET_ACCESS_KEY", secret: true, help: "The key's secret half." },
    sessionToken: { type: text, env: "AWS_SESSION_TOKEN", secret: true, help: "Token of a temporary key." },
  },
  (written) =>
    written.kmsKeyId !== undefined && written.serverSideEncryption !== "aws:kms"
      ? "kmsKeyId needs serverSideEncryption: aws:kms"
      : undefined,
);

export const repository = section({
  url: {
    type: repositoryUrl,
    required: true,
    env: "LIFEBOAT_REPOSITORY",
    help: "Place of the repository: a folder, or a bucket with an optional prefix. An address of a bucket can say `region`, `endpoint`, `pathStyle`, `sse`, `kmsKeyId` and `objectLock` (the mode) itself, as `?region=eu-central-1&sse=AES256`; that goes before `storage`.",
    example: "file:///var/lib/lifeboat",
  },
  encryption: { type: encryption, default: {}, help: "Who can open the backups." },
  signing: {
    type: signing,
    default: {},
    help: "Who may have written what lies in the storage. What no trusted key has signed is never green and never restored by itself.",
  },
  storage: { type: storage, default: {}, help: "How the storage keeps them." },
});
