// Options of one source: a database under protection. Which options there are depends on its provider.
import { formatDuration } from "../../core/duration.ts";
import type { Promised } from "../../core/objectives.ts";
import { type Chosen, listOf, type OptionTable, section, type Type, type Values } from "../../core/option.ts";
import { addressOf, bytes, duration, durationInSeconds, flag, oneOf, path, text } from "../../core/option-types.ts";
import type { Late, Secret } from "../../core/secret.ts";
import type { ProviderDescriptor } from "../../ports/descriptor.ts";
import { check } from "./checks.ts";
import { health, hooks } from "./cutover.ts";

/** `defaults`: what the documentation says of them. */
export const objectivesOf = (defaults: { readonly rto: string; readonly rpo: string }) =>
  section({
    rto: {
      type: durationInSeconds,
      as: "rtoSeconds",
      help: `Recovery time objective: how long a restore may take. Default: ${defaults.rto}.`,
      example: "15m",
    },
    rpo: {
      type: durationInSeconds,
      as: "rpoSeconds",
      help: `Recovery point objective: how much work, in time, may be lost. Default: ${defaults.rpo}.`,
      example: "24h",
    },
  });

const archive = {
  directory: {
    type: path,
    help: "Folder for log that was received and not yet stored; it must survive restarts. Default: under the state directory.",
  },
  partialEvery: {
    type: duration,
    as: "partialEveryMs",
    help: "How often log that fills no segment yet is stored. Default: half of the RPO, at most a minute.",
    example: "30s",
  },
  receive: {
    type: flag,
    default: true,
    help: "Whether `serve` archives the log, where the policy sets a `window`. `false` where the server's own `archive_command` calls `lifeboat archive --segment`, or another machine runs `lifeboat archive`.",
  },
} as const;

/** `slot` and `maxBehindBytes`: of engines that have them. */
type ArchiveValues = Values<typeof archive> & { readonly slot?: string | undefined; readonly maxBehindBytes?: number | undefined };

const commonOf = (providers: readonly ProviderDescriptor[]) =>
  ({
    provider: { type: oneOf(providers.map(({ name }) => name)), required: true, help: "The name of its provider: who runs the database." },
    policy: { type: text, help: "Name of the policy that says when to back up and how long to keep.", example: "standard" },
    objectives: {
      type: objectivesOf({ rto: defaultsOf(providers, "rtoSeconds"), rpo: defaultsOf(providers, "rpoSeconds") }),
      default: {},
      help: "What is promised; drills measure against it.",
    },
    approval: {
      type: oneOf(["none", "required"]),
      default: "none",
      help: "`required`: a restore that changes production, a promotion, and an `accept` that deletes require the approval of a second person.",
    },
    tables: {
      type: listOf(text),
      default: [],
      help:
        "Only these tables (names, or patterns with `*` and `?`), for every backup of this source; empty: all of them. Their partitions, and " +
        "the types, functions, sequences and extensions that they need, come with them; `check` names what does not. MongoDB: collections.",
      example: "[public.users]",
    },
    labels: {
      type: listOf(text),
      default: [],
      help: "Only workers that have all of these labels do work on this source.",
      example: "[eu]",
    },
    sizeLimit: {
      type: bytes,
      as: "sizeLimitBytes",
      help: "How much the source may hold, where neither its server nor its provider reports a limit. `STORAGE_NEAR` warns from 80 % on.",
      example: "500GB",
    },
    checks: { type: listOf(check), default: [], help: "Questions that every drill asks of the restored database." },
    hooks: { type: hooks, help: "Programs that run before and after a restore takes the place of this source's own database." },
    health: { type: health, help: "How it is seen that the application of this source is up: a cut-over, a guard and a swap wait for it." },
  }) as const;

/** `15m (a, b), 1h (c)` */
function defaultsOf(providers: readonly ProviderDescriptor[], key: keyof Promised): string {
  const names = Map.groupBy(providers, ({ objectives }) => objectives[key]);
  return [...names].map(([seconds, which]) => `${formatDuration(seconds * 1000)} (${which.map(({ name }) => name).join(", ")})`).join(", ");
}

export type SourceConfig = Values<ReturnType<typeof commonOf>> & {
  readonly scratch: { readonly url?: Secret | undefined };
  readonly archive?: ArchiveValues | undefined;
  readonly engine: Readonly<Record<string, unknown>>;
  /** Of the provider: where the source is. SECRET_MISSING where a variable of one of them is not set. */
  readonly own: Late<Readonly<Record<string, unknown>>>;
};

export function sourceOf(providers: readonly ProviderDescriptor[]): Type<SourceConfig> {
  const between = Object.fromEntries(providers.map((provider) => [provider.name, chosenOf(provider)]));
  return {
    shape: "section",
    word: "section",
    table: commonOf(providers),
    choice: { word: "provider", of: (text) => text("provider"), between },
  };
}

function chosenOf({ engine, engineOptions, options, archives, rule }: ProviderDescriptor): Chosen {
  const url = {
    type: addressOf(engine.schemes),
    secret: true,
    help: "Server to restore into for drills, instead of one that is made for the drill. Its user must be able to create databases.",
    example: "${SCRATCH_URL}",
  } as const;
  const beside: OptionTable = {
    scratch: { type: section({ url }), default: {}, help: "Where drills of this source restore to." },
    ...(archives && {
      archive: {
        type: section({ ...archive, ...engine.archive }),
        default: {},
        help: "How the log of the server is archived, for point-in-time recovery.",
      },
    }),
  };
  return { groups: [{ table: options, as: "own", late: true }, { table: engineOptions, as: "engine" }, { table: beside }], rule };
}
