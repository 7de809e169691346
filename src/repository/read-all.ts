// Reads many small objects concurrently.

const READERS = 16;

export async function readAll<T>(items: readonly T[], read: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await read(item);
  };
  await Promise.all(Array.from({ length: Math.min(READERS, items.length) }, worker));
}
