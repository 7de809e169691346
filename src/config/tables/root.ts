// The whole configuration: the options of the first level.
import { formatDuration } from "../../core/duration.ts";
import { COMBINED_OBJECTIVE } from "../../core/objectives.ts";
import { listOf, named, section, type Type } from "../../core/option.ts";
import { exactly, reference, timeZone } from "../../core/option-types.ts";
import type { Descriptors } from "../../ports/descriptor.ts";
import { approval, auditOf } from "./approval.ts";
import { cutOverOf } from "./cutover.ts";
import { channelOf } from "./notify.ts";
import { people } from "./people.ts";
import { policy } from "./policies.ts";
import { repositoryOf } from "./repository.ts";
import { drill, scratch, toolsOf } from "./rest.ts";
import { server } from "./server.ts";
import { objectivesOf, sourceOf } from "./sources.ts";
import { limits, queueOf, workers } from "./workers.ts";

const seconds = (count: number): string => formatDuration(count * 1000);
const combined = objectivesOf({ rto: seconds(COMBINED_OBJECTIVE.rtoSeconds), rpo: seconds(COMBINED_OBJECTIVE.rpoSeconds) });

export const rootOf = ({ providers, storages, notifiers, cutOvers, queues }: Descriptors) =>
  section({
    version: { type: exactly(1), required: true, help: "Version of this file's format.", example: "1" },
    repository: { type: repositoryOf(storages), required: true, help: "Where backups are stored and who can open them." },
    sources: { type: named(sourceOf(providers)), required: true, help: "The databases under protection, by the names you give them." },
    policies: { type: named(policy), default: {}, help: "When to back up and how long to keep, by name." },
    objectives: {
      type: combined,
      default: {},
      help: "What is promised for all sources brought back together; a drill of all measures against it.",
    },
    drills: { type: named(drill), default: {}, help: "Timed restores into scratch, by name." },
    notify: {
      type: named(channelOf(notifiers)),
      default: {},
      help: "Channels that alerts are sent to, by name. `docs/notifications.md` says how to set up each kind.",
    },
    people: { type: people, default: {}, help: "How people and programs prove to the service who they are; docs/api.md explains it." },
    cutover: {
      type: named(cutOverOf(cutOvers)),
      default: {},
      help: "Places where applications read their connection strings, by name. `docs/cutover.md` says how to set up each kind.",
    },
    approval: { type: approval, default: {}, help: "Who approves changes to production. `docs/approval.md` says how." },
    audit: { type: auditOf(storages), default: {}, help: "The audit log. `docs/audit.md` says what it holds." },
    references: {
      type: listOf(reference),
      default: [],
      help: "References between sources, which `recover` checks when all are restored: SOURCE.TABLE.COLUMN -> SOURCE.TABLE.COLUMN, or SOURCE.COLLECTION.FIELD.",
      example: '["sessions.carts.userId -> shop.users.id"]',
    },
    timeZone: {
      type: timeZone,
      help: "Time zone of times that are given without one, as in `--to 14:25`, and of local times in output. Default: this machine's.",
      example: "Europe/Berlin",
    },
    tools: { type: toolsOf(providers), default: {}, help: "Programs and folders of this machine." },
    scratch: { type: scratch, default: {}, help: "Scratch servers that drills restore into." },
    queue: queueOf(queues),
    workers: { type: workers, default: {}, help: "How this machine works as one of several." },
    limits: { type: limits, default: {}, help: "How much work runs at the same time, over all workers." },
    server: { type: server, default: {}, help: "How `lifeboat serve` runs. `docs/service.md` describes it." },
  });

type Loaded<T> = T extends Type<infer V> ? V : never;
export type RootValues = Loaded<ReturnType<typeof rootOf>>;
