// Makes an archive of batches, and its fingerprint of the same bytes.
//
// What the check proves. The documents of every batch are hashed one by one for the fingerprint. Then the very pieces that go out are read
// by the archive's own reader, the one that a restore uses: it finds every document by its length again, and sums up the bytes; its
// checksum is the one that the archive ends each collection with. At the end the reader must find the archive whole, and its count of each
// collection must be that of the hashes and that of the cursor. So an archive ends only if a restore can read it to its end, and if it holds
// as many documents of each collection as were read and hashed; a piece that is lost, doubled or put under another name stops it. It does
// not prove that the cursor gave everything: that is the server's promise, and cursors that die say so.
import { LifeboatError } from "../../../core/errors.ts";
import { ArchiveReader } from "../archive/archive.ts";
import { isOplog, type Prelude } from "../archive/prelude.ts";
import { ArchiveWriter } from "../archive/write.ts";
import { DigestSum } from "../digest/sum.ts";

/** What was written of a collection, in the order of the prelude. */
export interface WrittenCollection {
  readonly rows: number;
  /** Digest of the fingerprint; of the oplog, which is in none, empty. */
  readonly digest: string;
}

/** Takes batches, gives pieces of the archive in order. */
export class ArchiveAssembly {
  readonly #prelude: Prelude;
  readonly #writer: ArchiveWriter;
  readonly #gate = new ArchiveReader();
  readonly #sums: readonly DigestSum[];
  readonly #counted: number[];
  readonly #hashed: readonly boolean[];

  constructor(prelude: Prelude) {
    this.#prelude = prelude;
    this.#writer = new ArchiveWriter(prelude);
    this.#sums = prelude.collections.map(() => new DigestSum());
    this.#counted = prelude.collections.map(() => 0);
    this.#hashed = prelude.collections.map((entry) => !isOplog(entry));
  }

  begin(): Uint8Array[] {
    return this.#pass([this.#writer.begin()]);
  }

  /** `documents`: whole ones, `count` of them. */
  add(index: number, documents: Uint8Array, count: number): Uint8Array[] {
    this.#counted[index] = (this.#counted[index] ?? 0) + count;
    if (this.#hashed[index] === true) this.#sums[index]?.addAll(documents);
    return this.#pass([this.#writer.head(index), documents]);
  }

  close(index: number): Uint8Array[] {
    return this.#pass([this.#writer.close(index, this.#gate.checksum(index))]);
  }

  /** The judgement. Throws DUMP_INCOMPLETE. */
  end(): WrittenCollection[] {
    const { totals } = this.#gate.end();
    return this.#prelude.collections.map(({ db, collection }, index) => {
      const [sum, total, counted] = [this.#sums[index], totals[index], this.#counted[index]];
      const hashed = this.#hashed[index] === true ? sum?.rows : counted;
      if (sum === undefined || total === undefined || total.rows !== counted || hashed !== counted) {
        const found = `${counted} documents were read, ${total?.rows} written and ${hashed} hashed`;
        throw new LifeboatError("DUMP_INCOMPLETE", `the archive does not hold all of ${db}.${collection}: ${found}`);
      }
      return { rows: total.rows, digest: this.#hashed[index] === true ? sum.hex() : "" };
    });
  }

  #pass(pieces: readonly Uint8Array[]): Uint8Array[] {
    const given = pieces.filter((piece) => piece.length > 0);
    for (const piece of given) this.#gate.feed(piece);
    return given;
  }
}
