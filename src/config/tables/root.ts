// The whole configuration: the options of the first level.
import { named, section, type Type, type Values } from "../../core/option.ts";
import { exactly } from "../../core/option-types.ts";
import { timeZone } from "../types-time.ts";
import { policy } from "./policies.ts";
import { repository } from "./repository.ts";
import { drill, scratch, tools } from "./rest.ts";
import { objectives, source } from "./sources.ts";

const table = {
  version: { type: exactly(1), required: true, help: "Version of this file's format.", example: "1" },
  repository: { type: repository, required: true, help: "Where backups lie and who can open them." },
  sources: { type: named(source), required: true, help: "The databases under protection, by the names you give them." },
  policies: { type: named(policy), default: {}, help: "When to back up and how long to keep, by name." },
  objectives: {
    type: objectives,
    default: {},
    help: "What is promised for all sources brought back together; a drill of all measures against it. Default: 30m and 5m.",
  },
  drills: { type: named(drill), default: {}, help: "Timed restores into scratch, by name." },
  timeZone: {
    type: timeZone,
    help: "Time zone of times that are given without one, as in `--to 14:25`, and of local times in output. Default: this machine's.",
    example: "Europe/Berlin",
  },
  tools: { type: tools, default: {}, help: "Programs and folders of this machine." },
  scratch: { type: scratch, default: {}, help: "Throw-away servers that drills restore into." },
} as const;

export const root = section(table);
export type RootValues = Values<typeof table>;

type Given<T> = T extends Type<infer V> ? V : never;
export type SourceConfig = Given<typeof source>;
