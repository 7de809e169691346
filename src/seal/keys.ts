// Keys for sealing and opening: age identities, recipients and passphrases, validated before any byte flows.
// An identity is a secret: no message, detail or cause here repeats one.
import { LifeboatError } from "../core/errors.ts";

/** Seals a backup: age recipients (`age1…`), or a passphrase. age forbids both. */
export type SealKey = { readonly recipients: readonly string[] } | { readonly passphrase: string };

/** Opens a backup: any one of the identities (`AGE-SECRET-KEY-1…`), or the passphrase. */
export type OpenKey = { readonly identities: readonly string[] } | { readonly passphrase: string };

// Loaded on first use, because its elliptic curves take longer to load than most commands take to run.
const age = () => import("age-encryption");

/** Makes an X25519 key pair. Keep the identity in a file with mode 0600, away from the backups. */
export async function generateIdentity(): Promise<{ identity: string; recipient: string }> {
  const { generateX25519Identity, identityToRecipient } = await age();
  const identity = await generateX25519Identity();
  return { identity, recipient: await identityToRecipient(identity) };
}

/** Returns the recipient of an identity. Throws KEY_INVALID. */
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
 * Parses an age identity file: one identity per line, without blank lines and lines that start with `#`. Throws KEY_INVALID with the
 * number of the invalid line, or when there is no identity.
 * @param label the name of the file in messages.
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

/** Returns the recipient, trimmed, when it is valid for sealing. Throws KEY_INVALID otherwise. */
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
 * Tells whether the key opens data sealed to these recipients (`recipients` of a manifest), without reading a stored byte. A passphrase
 * fits all data sealed with a passphrase; whether it is the right one shows only on opening.
 */
export async function keyFits(key: OpenKey, recipients: readonly string[]): Promise<boolean> {
  if ("passphrase" in key) return recipients.includes("passphrase");
  const own = await Promise.all(key.identities.map(recipientOf));
  return own.some((recipient) => recipients.includes(recipient));
}
