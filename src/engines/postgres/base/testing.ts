// Tar archives for tests.
import { TAR_BLOCK_BYTES } from "./tar-header.ts";

export interface Given {
  readonly path: string;
  readonly type?: string;
  readonly content?: Buffer;
  readonly link?: string;
  readonly mode?: string;
  /** A size field of one's own, without content. */
  readonly size?: Buffer;
}

export function header({ path, type = "0", content = Buffer.alloc(0), link = "", mode = "0000600 ", size }: Given): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(path, 0);
  block.write(mode, 100);
  if (size) size.copy(block, 124);
  else block.write(`${content.length.toString(8).padStart(11, "0")} `, 124);
  block.write("14717165041 ", 136);
  block.write(type, 156);
  block.write(link, 157);
  block.write("ustar\x0000", 257);
  block.write("        ", 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

export function archive(given: readonly Given[]): Buffer {
  const blocks = given.flatMap((one) => {
    const content = one.content ?? Buffer.alloc(0);
    return [header(one), content, Buffer.alloc((TAR_BLOCK_BYTES - (content.length % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * TAR_BLOCK_BYTES)]);
}
