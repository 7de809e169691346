// Options of `queue`, `workers` and `limits`: how work is shared between machines.
import { listOf, named, section } from "../../core/option.ts";
import { addressOf, bytes, duration, integer, text } from "../../core/option-types.ts";
import type { QueueDescriptor } from "../../ports/descriptor.ts";

export const queueOf = (queues: readonly QueueDescriptor[]) =>
  ({
    type: addressOf(queues.flatMap(({ schemes }) => schemes)),
    secret: true,
    help: "Database in which several machines share their work; keep its password out of this file. Default: none, and each machine does its own work. `docs/workers.md` describes it.",
    example: "${LIFEBOAT_QUEUE}",
  }) as const;

export const workers = section({
  jobs: { type: integer(1), default: 2, help: "How many items of work a worker runs at the same time.", example: "4" },
  memory: { type: bytes, as: "memoryBytes", help: "Memory that a worker of this machine may use. Default: all of it.", example: "8GB" },
  disk: {
    type: bytes,
    as: "diskBytes",
    help: "Disk space that a worker of this machine may use. Default: what is free in `tools.spoolDirectory`.",
    example: "200GB",
  },
  labels: {
    type: listOf(text),
    default: [],
    help: "Labels of this machine. Work on a source goes to workers that have all labels of the source.",
    example: "[eu]",
  },
  attempts: {
    type: integer(1),
    default: 5,
    help: "Attempts before an item is parked until `lifeboat workers release`. Equal on every machine.",
    example: "5",
  },
  takeOver: {
    type: duration,
    as: "takeOverMs",
    default: "1m",
    help: "A worker that is silent for so long loses its items to another one. At least 5s. Equal on every machine.",
    example: "1m",
  },
});

export const limits = section({
  storage: {
    type: integer(1),
    help: "How many items of work run at the same time on the repository's storage. Default: any number.",
    example: "8",
  },
  providers: { type: named(integer(1)), default: {}, help: "The same for each provider, by its name.", example: "{ postgres: 4 }" },
  sources: { type: named(integer(1)), default: {}, help: "The same for each source, by its name.", example: "{ shop: 1 }" },
});
