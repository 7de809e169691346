// How an upload of unknown length is cut into parts. S3 allows 10 000 parts of 5 MiB to 5 GiB and objects of 5 TiB;
// part sizes grow, so that a small upload stays small in memory and the largest still fits.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html

const MiB = 1024 ** 2;

export const MAX_PARTS = 10_000;
export const MAX_OBJECT_BYTES = 5 * 1024 ** 4;

export interface PartSize {
  readonly sizeBytes: number;
  /** How many parts of this size, before the next entry counts. */
  readonly count: number;
}

/** 6.5 TiB in all. Parts of 8 MiB are held in memory, larger ones spooled. */
export const PART_SIZES: readonly PartSize[] = [
  { sizeBytes: 8 * MiB, count: 1000 },
  { sizeBytes: 32 * MiB, count: 1000 },
  { sizeBytes: 128 * MiB, count: 1000 },
  { sizeBytes: 512 * MiB, count: 1000 },
  { sizeBytes: 1024 * MiB, count: 6000 },
];

/** Size of a part by its number, from 1; 0 when the schedule is used up. */
export function partSizeAt(number: number, sizes: readonly PartSize[]): number {
  let last = 0;
  for (const { sizeBytes, count } of sizes) {
    last += count;
    if (number <= last) return sizeBytes;
  }
  return 0;
}

/** Most bytes a schedule holds. */
export function scheduleBytes(sizes: readonly PartSize[]): number {
  return sizes.reduce((sum, { sizeBytes, count }) => sum + sizeBytes * count, 0);
}

/** Most bytes of parts in memory at once: those on their way and the one being filled. */
export function peakMemoryBytes(sizes: readonly PartSize[], memoryPartBytes: number, concurrency: number): number {
  const held = sizes.map(({ sizeBytes }) => sizeBytes).filter((sizeBytes) => sizeBytes <= memoryPartBytes);
  return Math.max(0, ...held) * (concurrency + 1);
}
