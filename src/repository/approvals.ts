// Approvals: a frozen plan, signed by the machine where it was asked for; the signatures of approvers, which are notes of their own; and how
// it ended. Which keys approve is in the configuration, so nothing that is put into the storage approves anything.
import * as z from "zod/mini";
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Actor } from "../core/people.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import { seal } from "../seal/seal.ts";
import { unseal } from "../seal/unseal.ts";
import { count, digest, facts, format, id, instant, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { encodeJson, getBytes, parseObject } from "./json-object.ts";
import { approvalName, approvalNote, approvalsFolder } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { getSigned, putSigned, type Signed } from "./signed.ts";
import { noteKeyId, openNote, writeNote } from "./signed-note.ts";
import type { TrustedKey } from "./trust.ts";

/** What would be done. */
export interface FrozenContent {
  /** Of the operation, without secrets. */
  readonly request: Readonly<Record<string, unknown>>;
  /** As the operation's plan has it. */
  readonly plan: Readonly<Record<string, unknown>>;
}

type Unsealed = { readonly [Field in keyof FrozenContent]?: FrozenContent[Field] | undefined };

export interface FrozenPlan extends Unsealed {
  readonly format: 1;
  readonly id: string;
  readonly operation: string;
  readonly source: string;
  /** Of the file beside it that has request and plan, sealed because they may show rows. Absent: they are here. */
  readonly sealed?: { readonly plain: ByteFacts; readonly stored: ByteFacts } | undefined;
  /** Of the plan. */
  readonly digest: string;
  readonly requestedAt: string;
  readonly expiresAt: string;
  readonly requestedBy: Actor;
  /** User and host of the process. */
  readonly process: string;
  /** Entries of the audit log at that time: its use is recorded after them. */
  readonly auditSize: number;
}

const frozenSchema: Schema<FrozenPlan> = z.looseObject({
  format,
  id,
  operation: word,
  source: segment,
  request: maybe(z.record(z.string(), z.unknown())),
  plan: maybe(z.record(z.string(), z.unknown())),
  sealed: maybe(z.looseObject({ plain: facts, stored: facts })),
  digest,
  requestedAt: instant,
  expiresAt: instant,
  requestedBy: z.looseObject({
    kind: z.enum(["user", "person", "token", "service"]),
    name: word,
    via: z.enum(["command line", "library", "api", "mcp", "schedule"]),
    from: maybe(word),
  }),
  process: word,
  auditSize: count,
});

export interface ApprovalEnd {
  readonly format: 1;
  readonly id: string;
  readonly how: "used" | "revoked";
  readonly at: string;
  /** The job that used it. */
  readonly job?: string | undefined;
  readonly reason?: string | undefined;
}

const endSchema: Schema<ApprovalEnd> = z.looseObject({
  format,
  id,
  how: z.enum(["used", "revoked"]),
  at: instant,
  job: maybe(word),
  reason: maybe(prose),
});

/** Ids become names of objects. */
const isPlanId = (text: string): boolean => /^[0-9a-z]{1,40}$/.test(text);

/** Stores a frozen plan. With a key, request and plan are sealed to it: who may read the storage must not read rows there. */
export async function storeFrozen(
  repository: Repository,
  frozen: Omit<FrozenPlan, keyof FrozenContent> & FrozenContent,
  key?: SealKey,
): Promise<void> {
  const name = approvalName(frozen.id, "plan.json");
  if (key === undefined) return void (await putSigned(repository, "approval-plan", name, frozen, { ifAbsent: true }));
  const { request, plan, ...rest } = frozen;
  const sealed = seal(once(encodeJson({ request, plan })), key);
  await repository.storage.put(approvalName(frozen.id, "plan.zst.age"), sealed.bytes, { ifAbsent: true });
  await putSigned(repository, "approval-plan", name, { ...rest, sealed: sealed.facts() }, { ifAbsent: true });
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

const contentSchema = z.object({ request: z.record(z.string(), z.unknown()), plan: z.record(z.string(), z.unknown()) });

/** What the frozen plan says would be done. `openKey` is asked for one that is sealed. KEY_MISSING, WRONG_KEY, INTEGRITY. */
export async function contentOf(
  { storage }: Repository,
  frozen: FrozenPlan,
  openKey: () => Promise<OpenKey>,
  signal?: AbortSignal,
): Promise<FrozenContent> {
  const { id: plan, sealed, request = {}, plan: shown = {} } = frozen;
  if (sealed === undefined) return { request, plan: shown };
  const key = await openKey().catch((error: unknown) => {
    if (!isLifeboatError(error, "KEY_MISSING")) throw error;
    throw new LifeboatError("KEY_MISSING", `the plan ${plan} may show rows, so it is sealed: ${error.message}`, {
      cause: error,
      hint: "name the identity with repository.encryption.identityFile, or approve at a service that has it",
    });
  });
  const name = approvalName(plan, "plan.zst.age");
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of unseal(storage.get(name, { signal }), key, sealed)) chunks.push(chunk);
  } catch (error) {
    if (!isLifeboatError(error, "OBJECT_MISSING")) throw error;
    throw new LifeboatError("APPROVAL_INVALID", `the rows that approval ${plan} showed were removed when it ended`, { cause: error });
  }
  return parseObject(storage, name, Buffer.concat(chunks), contentSchema);
}

const SEALED = "/plan.zst.age";

/** The ids of the frozen plans whose sealed part is there. */
export async function sealedIds({ storage }: Repository, signal?: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  for await (const { name } of storage.list(approvalsFolder, { signal })) {
    const plan = name.slice(approvalsFolder.length, -SEALED.length);
    if (name.endsWith(SEALED) && isPlanId(plan)) ids.push(plan);
  }
  return ids;
}

/** Removes the sealed part of a frozen plan, if it has one. */
export const removeSealed = ({ storage }: Repository, plan: string): Promise<void> => storage.delete(approvalName(plan, "plan.zst.age"));

/** Undefined: there is none of that id. INTEGRITY: it is the plan of another id. The caller looks at its signature. */
export async function readFrozen(repository: Repository, plan: string, signal?: AbortSignal): Promise<Signed<FrozenPlan> | undefined> {
  if (!isPlanId(plan)) return undefined;
  const found = await getSigned(repository, "approval-plan", approvalName(plan, "plan.json"), frozenSchema, signal);
  return found === undefined || found.value.id !== plan ? undefined : found;
}

/** The ids of all frozen plans, newest first. */
export async function frozenIds({ storage }: Repository, signal?: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  for await (const folder of storage.listFolders(approvalsFolder, { signal })) if (isPlanId(folder)) ids.push(folder);
  return ids.reverse();
}

/** What an approver signs: the frozen plan, byte for byte, and the digest of what it will do. */
export const approvalText = ({ identity }: Repository, { value, digest: sha256 }: Pick<Signed<FrozenPlan>, "value" | "digest">): string =>
  `lifeboat-approval/${identity.id}\nplan ${value.id}\nobject ${sha256}\ndigest ${value.digest}\nexpires ${value.expiresAt}\n`;

export interface ApproverKey {
  readonly name: string;
  readonly key: TrustedKey;
}

const hasSigned = ({ name, key }: ApproverKey, note: string, text: string): boolean => openNote(note, name, [key])?.text === text;

/** Stores the approver's signature of the text. False: it is not one. */
export async function storeApproval(
  { storage }: Repository,
  plan: string,
  approver: ApproverKey,
  text: string,
  signature: Uint8Array,
): Promise<boolean> {
  const { name, key } = approver;
  const keyId = noteKeyId(name, key);
  const note = writeNote(text, [{ name, keyId, signature }]);
  if (!hasSigned(approver, note, text)) return false;
  await storage.put(approvalNote(plan, keyId), Buffer.from(note));
  return true;
}

const NOTE_BYTES = 16 * 1024;

/** The approvers that signed the text. */
export async function approversOf(
  { storage }: Repository,
  plan: string,
  text: string,
  approvers: readonly ApproverKey[],
  signal?: AbortSignal,
): Promise<ApproverKey[]> {
  const signed: ApproverKey[] = [];
  for (const approver of approvers) {
    const note = await getBytes(storage, approvalNote(plan, noteKeyId(approver.name, approver.key)), signal, NOTE_BYTES);
    if (note !== undefined && hasSigned(approver, Buffer.from(note).toString("utf8"), text)) signed.push(approver);
  }
  return signed;
}

/** How it ended. `unsigned`: something is there that no trusted key signed, so it counts as ended. Undefined: it did not. */
export async function readEnd(repository: Repository, plan: string, signal?: AbortSignal): Promise<ApprovalEnd | "unsigned" | undefined> {
  try {
    const found = await getSigned(repository, "approval-end", approvalName(plan, "end.json"), endSchema, signal);
    if (found === undefined) return undefined;
    return found.signedBy === undefined || found.value.id !== plan ? "unsigned" : found.value;
  } catch (error) {
    if (isLifeboatError(error, "INTEGRITY")) return "unsigned";
    throw error;
  }
}

/** Ends it. STORAGE_CONFLICT: it has ended already. */
export async function endApproval(repository: Repository, end: ApprovalEnd): Promise<void> {
  await putSigned(repository, "approval-end", approvalName(end.id, "end.json"), end, { ifAbsent: true });
}
