// The IP access list of the project. Kept and shown; connections here are on loopback and never refused by it.
import { isIP } from "node:net";
import { instant, iso, onlyKnown, optional } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type ApiRequest, type Emulator, GONE, ok } from "./emulator.ts";
import { invalidAttribute, missing, refused } from "./errors.ts";
import { page } from "./paging.ts";
import type { AccessEntry, Json } from "./state.ts";

const LONGEST_MS = 7 * 86_400_000;
const KINDS = ["ipAddress", "cidrBlock", "awsSecurityGroup"] as const;

function view(emulator: Emulator, entry: AccessEntry): object {
  const address = entry.value.replace(/\/32$/, "");
  return {
    ...(entry.kind === "awsSecurityGroup" ? { awsSecurityGroup: entry.value } : { cidrBlock: entry.value }),
    ...(isIP(address) === 0 ? {} : { ipAddress: address }),
    comment: entry.comment ?? "",
    ...(entry.deleteAfterDate === undefined ? {} : { deleteAfterDate: iso(entry.deleteAfterDate) }),
    groupId: emulator.store.groupId,
    links: [{ href: linkTo(emulator, `/accessList/${encodeURIComponent(entry.value)}`), rel: "self" }],
  };
}

export function listAccess(emulator: Emulator, request: ApiRequest): Answer {
  return ok(page(request.url, [...emulator.store.accessList.values()], (entry) => view(emulator, entry)));
}

/** Adds entries and answers with the whole list. */
export function addAccess(emulator: Emulator, request: ApiRequest): Answer {
  if (request.list === undefined) throw refused("INVALID_JSON", "The body must be a list of entries.");
  for (const entry of request.list.map((raw) => readEntry(emulator, (raw ?? {}) as Json)))
    emulator.store.accessList.set(entry.value, entry);
  return listAccess(emulator, request);
}

function readEntry(emulator: Emulator, raw: Json): AccessEntry {
  onlyKnown(raw, [...KINDS, "comment", "deleteAfterDate", "groupId", "links"]);
  const given = KINDS.filter((kind) => raw[kind] !== undefined && raw[kind] !== null);
  const [kind] = given;
  if (kind === undefined || given.length > 1) throw invalidAttribute("ipAddress");
  const text = optional(raw, kind, "string") ?? "";
  const [address = "", bits] = text.split("/");
  const size = isIP(address) === 6 ? 128 : 32;
  const fits = bits === undefined ? kind === "ipAddress" : /^\d+$/.test(bits) && Number(bits) <= size;
  if (kind !== "awsSecurityGroup" && (isIP(address) === 0 || !fits))
    throw refused("INVALID_IP_ADDRESS_OR_CIDR_NOTATION", `${text} is not an address or a block of addresses.`, text);
  const until = optional(raw, "deleteAfterDate", "string");
  const deleteAfterDate = until === undefined ? undefined : instant(until, "deleteAfterDate");
  const aheadMs = deleteAfterDate === undefined ? 1 : deleteAfterDate.getTime() - emulator.now().getTime();
  if (aheadMs <= 0 || aheadMs > LONGEST_MS)
    throw refused("INVALID_DELETE_AFTER_DATE", "deleteAfterDate must be in the future, at most one week away.", until);
  const comment = optional(raw, "comment", "string");
  if ((comment?.length ?? 0) > 80) throw invalidAttribute("comment");
  return { value: kind === "ipAddress" ? `${text}/${size}` : text, kind, comment, deleteAfterDate };
}

function entryOf(emulator: Emulator, request: ApiRequest): AccessEntry {
  const value = request.params.entryValue ?? "";
  const list = emulator.store.accessList;
  const found = list.get(value) ?? list.get(`${value}/32`) ?? list.get(`${value}/128`);
  if (found === undefined) throw missing("ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND", `${value} is not on the access list.`, value);
  return found;
}

export function getAccess(emulator: Emulator, request: ApiRequest): Answer {
  return ok(view(emulator, entryOf(emulator, request)));
}

export function getAccessStatus(emulator: Emulator, request: ApiRequest): Answer {
  entryOf(emulator, request);
  return ok({ STATUS: "ACTIVE" });
}

export function removeAccess(emulator: Emulator, request: ApiRequest): Answer {
  emulator.store.accessList.delete(entryOf(emulator, request).value);
  return GONE;
}

export function expireAccess(emulator: Emulator, value: string): void {
  emulator.store.accessList.delete(value);
}
