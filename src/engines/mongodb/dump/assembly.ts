// Makes an archive of batches, and its fingerprint of the same bytes.
//
// What the check proves. Each batch passes three hands: its documents are hashed one by one for the fingerprint, its bytes are summed up
// for the archive's checksum, and then the very pieces that go out are read by the archive's own reader, which finds every document by its
// length again and sums the bytes again. At the end count and checksum of the reader must be those of the hands before it, and both the
// count that came from the cursor. So an archive ends only if it is whole by its own rules and holds exactly what was read, no more, no
// less and nothing else; a piece lost, written twice, or changed between reading and writing stops it. It does not prove that the cursor gave
// everything: that is the server's promise for one snapshot, and cursors that die say so.
import { LifeboatError } from "../../../core/errors.ts";
import { Crc64 } from "../archive/crc64.ts";
import { isOplog, type Prelude } from "../archive/prelude.ts";
import { ArchiveReader } from "../archive/read.ts";
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
  readonly #crcs: readonly Crc64[];
  readonly #sums: readonly DigestSum[];
  readonly #counted: number[];
  readonly #hashed: readonly boolean[];

  constructor(prelude: Prelude) {
    this.#prelude = prelude;
    this.#writer = new ArchiveWriter(prelude);
    this.#crcs = prelude.collections.map(() => new Crc64());
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
    this.#crcs[index]?.update(documents);
    return this.#pass([this.#writer.head(index), documents]);
  }

  close(index: number): Uint8Array[] {
    return this.#pass([this.#writer.close(index, this.#crcs[index]?.value() ?? 0n)]);
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
