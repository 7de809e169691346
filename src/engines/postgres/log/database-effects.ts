// Records of DROP DATABASE, CREATE TABLESPACE and DROP TABLESPACE: replay acts on them at once, whether or not their transaction commits.

const RESOURCE_DATABASE = 4;
const RESOURCE_TABLESPACE = 5;
const RESOURCE_HEAP = 10;
const KIND_MASK = 0xf0;
const OPERATION_MASK = 0x70;
const CREATE_TABLESPACE = 0x00;
const DROP_TABLESPACE = 0x10;
/** Its number changed with version 15, whose pages have this magic number. */
const DROP_DATABASE = { until14: 0x10, since15: 0x20 };
const MAGIC_15 = 0xd110;
const IN_PLACE = 0x70;
/** The tablespace of what all databases share; in place there is only changed the catalog of databases. */
const SHARED = 1664;
/** Behind a record's header and the head of its first block; with a copy of the page, and with a compressed one. */
const TABLESPACE_AT = [28, 33, 35];

/**
 * `closes`: the server may have noted that a database can no longer be used, which it does since 2023 before it removes the files.
 * `erases`: the files go. `places`: replay empties and fills the directory that the origin gave the tablespace, by its absolute path.
 */
export const [NEITHER, CLOSES, ERASES, PLACES] = [0, 1, 2, 3] as const;
export type Effect = typeof NEITHER | typeof CLOSES | typeof ERASES | typeof PLACES;

/** `bytes` from `at` on: the record's first ones, its header among them. */
export function effectOnDatabases(resourceManager: number, info: number, magic: number, bytes: Uint8Array, at: number): Effect {
  const kind = info & KIND_MASK;
  if (resourceManager === RESOURCE_DATABASE)
    return kind === (magic >= MAGIC_15 ? DROP_DATABASE.since15 : DROP_DATABASE.until14) ? ERASES : NEITHER;
  if (resourceManager === RESOURCE_TABLESPACE) return kind === DROP_TABLESPACE ? ERASES : kind === CREATE_TABLESPACE ? PLACES : NEITHER;
  if (resourceManager !== RESOURCE_HEAP || (info & OPERATION_MASK) !== IN_PLACE) return NEITHER;
  return TABLESPACE_AT.some((offset) => word(bytes, at + offset) === SHARED) ? CLOSES : NEITHER;
}

const word = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
