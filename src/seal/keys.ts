// Who can seal and who can open: age identities, recipients and passphrases, checked before any byte flows.
// An identity is a secret: no message, detail or cause here ever repeats one.
import { LifeboatError } from "../core/errors.ts";

/** To whom a backup is sealed: age recipients (`age1…`), or a passphrase. Never both: age forbids it. */
export type SealKey = { readonly recipients: readonly string[] } | { readonly passphrase: string };

/** What opens a backup: any one of the identities (`AGE-SECRET-KEY-1…`), or the passphrase. */
export type OpenKey = { readonly identities: readonly string[] } | { readonly passphrase: string };

// Loaded when first needed: its elliptic curves take longer to load than most commands take to run.
const age = () => import("age-encryption");

/** Makes a new X25519 key pair. The identity is to be kept in a file with mode 0600, away from the backups. */
export async function generateIdentity(): Promise<{ identity: string; recipient: string }> {
  const { generateX25519Identity, identityToRecipient } = await age();
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** The recipient that belongs to an identity. Throws KEY_INVALID. */
export async function recipientOf(identity: string): Promise<string> {
  const { identityToRecipient } = await age();
  try {
    return await identityToRecipient(identity);
  } catch {
    // No cause: the decoder's own message may repeat the identity.
    throw new LifeboatError("KEY_INVALID", "an age identity is malformed; it starts with AGE-SECRET-KEY-1 and its checksum must fit");
  }
}

/**
 * The identities of an age identity file: one a line, blank lines and lines that start with `#` left out.
 * Throws KEY_INVALID with the number of the offending line, or when there is none.
 * @param label what messages call the file.
 */
export async function parseIdentityFile(text: string, label = "the identity file"): Promise<string[]> {
  const identities: string[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const problem = await identityProblem(line);
    if (problem !== undefined) throw new LifeboatError("KEY_INVALID", `line ${index + 1} of ${label} ${problem}`);
    identities.push(line);
  }
  if (identities.length === 0) throw new LifeboatError("KEY_INVALID", `${label} holds no age identity`);
  return identities;
}

async function identityProblem(line: string): Promise<string | undefined> {
  if (line.startsWith("age1")) return "is a recipient, which can only seal; the identity starts with AGE-SECRET-KEY-1";
  if (line.startsWith("age-encryption.org/") || line.startsWith("-----BEGIN AGE")) {
    return "begins an encrypted file; decrypt the identity file first";
  }
  return recipientOf(line).then(
    () => undefined,
    () => "is not an age identity; one starts with AGE-SECRET-KEY-1 and its checksum must fit",
  );
}

/** Returns the recipient, trimmed, when it is one that we can seal to; throws KEY_INVALID otherwise. */
export async function validateRecipient(recipient: string): Promise<string> {
  const trimmed = recipient.trim();
  if (/^AGE-SECRET-KEY-/i.test(trimmed)) {
    throw new LifeboatError("KEY_INVALID", "an identity (a secret) was given where a recipient belongs; a recipient starts with age1");
  }
  const { Encrypter } = await age();
  try {
    new Encrypter().addRecipient(trimmed);
  } catch {
    throw new LifeboatError("KEY_INVALID", `"${trimmed}" is not an age recipient; one starts with age1 and its checksum must fit`);
  }
  return trimmed;
}

/**
 * Whether the key opens what was sealed to these recipients (`recipients` of a manifest), without reading a stored byte.
 * A passphrase fits whatever was sealed with one; whether it is the right one shows only on opening.
 */
export async function keyFits(key: OpenKey, recipients: readonly string[]): Promise<boolean> {
  if ("passphrase" in key) return recipients.includes("passphrase");
  const own = await Promise.all(key.identities.map(recipientOf));
  return own.some((recipient) => recipients.includes(recipient));
}
