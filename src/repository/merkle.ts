// The Merkle tree of an append-only log: RFC 6962 hashes, and C2SP tlog-tiles, which store the tree as rows of 256 hashes.
import { hash } from "node:crypto";

/** 32 bytes. */
export type NodeHash = Uint8Array;

/** Hashes in a full tile. */
export const TILE_WIDTH = 256;

const hashOf = (...parts: readonly Uint8Array[]): NodeHash => hash("sha256", Buffer.concat(parts), "buffer");

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafHash = (entry: Uint8Array): NodeHash => hashOf(LEAF, entry);
const nodeHash = (left: NodeHash, right: NodeHash): NodeHash => hashOf(NODE, left, right);

export const isEqualHash = (a: NodeHash | undefined, b: NodeHash | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at]);

/** The Merkle tree hash of these subtrees, which are equally large except for the last. RFC 6962, section 2.1. */
export function rootOf(hashes: readonly NodeHash[]): NodeHash {
  const [first] = hashes;
  if (first === undefined) return hashOf();
  if (hashes.length === 1) return first;
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return nodeHash(rootOf(hashes.slice(0, half)), rootOf(hashes.slice(half)));
}

/** How many hashes the last, partial tile of the level has in a tree of that size. 0: the last tile is full. */
export const partialWidth = (size: number, level: number): number => Math.floor(size / TILE_WIDTH ** level) % TILE_WIDTH;

/** The index of that tile, which is also the number of full tiles of the level. */
export const fullTiles = (size: number, level: number): number => Math.floor(size / TILE_WIDTH ** (level + 1));

/** The levels of a tree of that size, from the leaves up. */
export function levelsOf(size: number): number[] {
  const levels: number[] = [];
  for (let level = 0; size >= TILE_WIDTH ** level; level++) levels.push(level);
  return levels;
}

/** The root, from the partial tile of each level. */
export function rootOfEdge(edge: readonly (readonly NodeHash[])[]): NodeHash {
  let below: NodeHash | undefined;
  for (const hashes of edge) {
    const row = below === undefined ? hashes : [...hashes, below];
    if (row.length > 0) below = rootOf(row);
  }
  return below ?? rootOf([]);
}

/** The edge after one more leaf, and the tiles that changed by it: each is now that wide. */
export function appended(
  edge: readonly (readonly NodeHash[])[],
  leaf: NodeHash,
): { readonly edge: NodeHash[][]; readonly tiles: readonly { readonly level: number; readonly hashes: readonly NodeHash[] }[] } {
  const next = edge.map((hashes) => [...hashes]);
  const tiles: { level: number; hashes: readonly NodeHash[] }[] = [];
  let carried: NodeHash | undefined = leaf;
  for (let level = 0; carried !== undefined; level++) {
    const hashes: NodeHash[] = [...(next[level] ?? []), carried];
    tiles.push({ level, hashes });
    carried = hashes.length === TILE_WIDTH ? rootOf(hashes) : undefined;
    next[level] = carried === undefined ? hashes : [];
  }
  return { edge: next, tiles };
}

/** `x001/x234/067` of 1234067, as tlog-tiles writes an index. */
function indexPath(index: number): string {
  const groups = String(index)
    .padStart(Math.ceil(String(index).length / 3) * 3, "0")
    .match(/\d{3}/g);
  return (groups ?? []).map((group, at, all) => (at === all.length - 1 ? group : `x${group}`)).join("/");
}

/** The name of a tile (of a bundle of entries for level `entries`), below the folder of the log. */
export const tilePath = (level: number | "entries", index: number, width: number): string =>
  `tile/${level}/${indexPath(index)}${width === TILE_WIDTH ? "" : `.p/${width}`}`;

/** Reads a tile of so many hashes. */
export type ReadTile = (level: number, index: number, width: number) => Promise<readonly NodeHash[]>;

/** The tree of a log, read by tiles. A tile counts only when the root, or the tile above it, says that it is right. */
export class MerkleTree {
  readonly size: number;
  readonly #read: ReadTile;
  readonly #tiles = new Map<string, Promise<readonly NodeHash[]>>();

  constructor(size: number, read: ReadTile) {
    this.size = size;
    this.#read = read;
  }

  /** The partial tile of each level, of which `leaves` is the lowest where it is known. Not checked: the caller compares the root. */
  edge(leaves?: readonly NodeHash[]): Promise<(readonly NodeHash[])[]> {
    return Promise.all(
      levelsOf(this.size).map(async (level) => {
        if (level === 0 && leaves !== undefined) return leaves;
        const width = partialWidth(this.size, level);
        return width === 0 ? [] : this.#once(level, fullTiles(this.size, level), width);
      }),
    );
  }

  /** The root that the tree had at a smaller size. Undefined: a tile does not fit the tree, so it cannot be told. */
  async rootAt(size: number): Promise<NodeHash | undefined> {
    const edge: (readonly NodeHash[])[] = [];
    for (const level of levelsOf(size)) {
      const width = partialWidth(size, level);
      const hashes = width === 0 ? [] : await this.#tile(level, fullTiles(size, level));
      if (hashes === undefined || hashes.length < width) return undefined;
      edge.push(hashes.slice(0, width));
    }
    return rootOfEdge(edge);
  }

  /** The hashes of the entries of one bundle. Undefined: they do not fit the tree. */
  leaves(index: number): Promise<readonly NodeHash[] | undefined> {
    return this.#tile(0, index);
  }

  /** The whole tile as the tree of this size has it, checked against the one above. */
  async #tile(level: number, index: number): Promise<readonly NodeHash[] | undefined> {
    if (index === fullTiles(this.size, level)) return this.#once(level, index, partialWidth(this.size, level));
    const hashes = await this.#once(level, index, TILE_WIDTH);
    const above = await this.#tile(level + 1, Math.floor(index / TILE_WIDTH));
    return isEqualHash(above?.[index % TILE_WIDTH], rootOf(hashes)) ? hashes : undefined;
  }

  #once(level: number, index: number, width: number): Promise<readonly NodeHash[]> {
    const key = `${level}/${index}`;
    const known = this.#tiles.get(key) ?? this.#read(level, index, width);
    this.#tiles.set(key, known);
    return known;
  }
}
