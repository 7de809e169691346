// The queue of the configuration: one that several machines share, or that of this process.
import { totalmem } from "node:os";
import type { Config } from "../config/load.ts";
import type { Workplace } from "../operations/context.ts";
import { parseWork } from "../operations/work/items.ts";
import type { Clock } from "../ports/clock.ts";
import type { Queue } from "../ports/queue.ts";

const PAUSE_MS = 30_000;

export function wireWork({ queue: address, workers, limits, descriptors }: Config, clock: Clock): Workplace & { close(): Promise<void> } {
  let opened: Promise<Queue> | undefined;
  const { attempts, takeOverMs, jobs, memoryBytes, diskBytes, labels } = workers;
  const open = async (): Promise<Queue> => {
    if (address === undefined) return (await import("../queue/process/queue.ts")).openProcessQueue({ clock, attempts, pauseMs: PAUSE_MS });
    const text = address.read();
    const descriptor = descriptors.queues.find(({ schemes }) => schemes.some((scheme) => text.startsWith(scheme)));
    if (descriptor === undefined) throw new TypeError("no descriptor of the queue"); // the configuration was checked
    const { open: openQueue } = await descriptor.load();
    return openQueue({ address: text, attempts, pauseMs: PAUSE_MS, takeOverMs, clock, parse: parseWork });
  };
  return {
    isShared: address !== undefined,
    jobs,
    memoryBytes: memoryBytes ?? totalmem(),
    diskBytes,
    labels,
    limits,
    open() {
      opened ??= open();
      // One that could not be opened is opened again at the next call.
      opened.catch(() => {
        opened = undefined;
      });
      return opened;
    },
    async close() {
      await (await opened?.catch(() => undefined))?.close();
    },
  };
}
