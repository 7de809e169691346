// C2SP signed notes: a text, a blank line, and signatures of known keys. Checkpoints, entries of the audit log and approvals are such notes.
import { createHash, verify } from "node:crypto";
import type { TrustedKey } from "./trust.ts";

/** Signatures that are looked at: a note with more is not read. */
const MOST_SIGNATURES = 64;
const ED25519 = 1;

interface NoteSignature {
  readonly name: string;
  /** Eight hexadecimal digits. */
  readonly keyId: string;
  readonly signature: Uint8Array;
}

interface Note {
  /** Ends in a line feed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** The id of a key under a name: what a signature line begins with. */
export function noteKeyId(name: string, { text }: Pick<TrustedKey, "text">): string {
  const publicKey = Buffer.from(text, "base64").subarray(-32); // the end of the SPKI form is the 32 bytes of RFC 8032
  return createHash("sha256").update(`${name}\n`).update(Uint8Array.of(ED25519)).update(publicKey).digest("hex").slice(0, 8);
}

/** A name that a note can hold. */
export const isNoteName = (name: string): boolean => /^[^\s+]{1,200}$/u.test(name) && !hasControls(name);

const hasControls = (text: string): boolean => [...text].some((character) => character < " " && character !== "\n");

export function writeNote(text: string, signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(
    ({ name, keyId, signature }) => `— ${name} ${Buffer.concat([Buffer.from(keyId, "hex"), signature]).toString("base64")}\n`,
  );
  return `${text}\n${lines.join("")}`;
}

/** Undefined: it is not a signed note. */
function readNote(note: string): Note | undefined {
  const split = note.lastIndexOf("\n\n");
  if (split === -1 || !note.endsWith("\n") || hasControls(note)) return undefined;
  const lines = note.slice(split + 2, -1).split("\n");
  if (lines.length > MOST_SIGNATURES) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [, name, text = ""] = /^— (\S+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    if (name === undefined || !isNoteName(name)) return undefined;
    const bytes = Buffer.from(text, "base64");
    if (bytes.length < 5 || bytes.toString("base64") !== text) return undefined;
    signatures.push({ name, keyId: bytes.subarray(0, 4).toString("hex"), signature: bytes.subarray(4) });
  }
  return { text: note.slice(0, split + 1), signatures };
}

/** The text of a note that one of these keys signed under the name, and which. Undefined: none did, or it is not a signed note. */
export function openNote(
  note: string,
  name: string,
  keys: readonly TrustedKey[],
): { readonly text: string; readonly signedBy: TrustedKey } | undefined {
  const read = readNote(note);
  if (read === undefined) return undefined;
  const text = Buffer.from(read.text);
  for (const one of read.signatures) {
    if (one.name !== name) continue;
    const signedBy = keys.find((key) => noteKeyId(name, key) === one.keyId && verify(null, text, key.key, one.signature));
    if (signedBy !== undefined) return { text: read.text, signedBy };
  }
  return undefined;
}

/** Signs a text under a name. */
export function signNote(
  text: string,
  name: string,
  { publicKey, sign }: { readonly publicKey: TrustedKey; sign(bytes: Uint8Array): Uint8Array },
): string {
  return writeNote(text, [{ name, keyId: noteKeyId(name, publicKey), signature: sign(Buffer.from(text)) }]);
}

/** A tree head: the text of a checkpoint. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** The text of a C2SP tlog-checkpoint. */
export const checkpointText = (origin: string, { size, root }: TreeHead): string =>
  `${origin}\n${size}\n${Buffer.from(root).toString("base64")}\n`;

/** Undefined: it is not a checkpoint of that log. */
export function readCheckpointText(text: string, origin: string): TreeHead | undefined {
  const [first, size = "", root = "", ...rest] = text.split("\n");
  const hash = Buffer.from(root, "base64");
  if (first !== origin || !/^(0|[1-9]\d{0,14})$/.test(size) || hash.length !== 32 || hash.toString("base64") !== root) return undefined;
  return rest.length === 1 && rest[0] === "" ? { size: Number(size), root: hash } : undefined;
}
