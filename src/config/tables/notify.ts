// Options of one notification channel. Which options there are depends on its kind.
import { LifeboatError } from "../../core/errors.ts";
import { listOf, Mismatch, type Type, type Values } from "../../core/option.ts";
import { oneOf, text, written } from "../../core/option-types.ts";
import { parseQuietHours, SEVERITIES } from "../../core/routes.ts";
import type { Late } from "../../core/secret.ts";
import type { NotifierDescriptor } from "../../ports/descriptor.ts";

const quietHours = written("hours of the day", { pattern: "^\\d{1,2}:\\d{2}\\s*-\\s*\\d{1,2}:\\d{2}$" }, (raw) => {
  try {
    return parseQuietHours(raw);
  } catch (error) {
    if (error instanceof LifeboatError) throw new Mismatch(`is wrong: ${error.message}`, { cause: error });
    throw error;
  }
});

const commonOf = (notifiers: readonly NotifierDescriptor[]) =>
  ({
    kind: { type: oneOf(notifiers.map(({ kind }) => kind)), required: true, help: "The service." },
    sources: { type: listOf(text), default: [], help: "Sources whose alerts it receives; empty: all of them.", example: "[shop]" },
    severities: {
      type: listOf(oneOf(SEVERITIES)),
      default: [],
      help: "Severities that it receives; empty: all of them.",
      example: "[critical, warning]",
    },
    quiet: {
      type: quietHours,
      help: "Hours in `timeZone` when alerts that are not critical wait.",
      example: '"22:00-07:00"',
    },
  }) as const;

export type ChannelConfig = Values<ReturnType<typeof commonOf>> & {
  /** Of its kind. SECRET_MISSING where a variable of one of them is not set. */
  readonly own: Late<Readonly<Record<string, unknown>>>;
};

export function channelOf(notifiers: readonly NotifierDescriptor[]): Type<ChannelConfig> {
  const between = Object.fromEntries(
    notifiers.map(({ kind, options, rule }) => [kind, { groups: [{ table: options, as: "own", late: true } as const], rule }]),
  );
  return {
    shape: "section",
    word: "section",
    table: commonOf(notifiers),
    choice: { word: "kind", of: (value) => value("kind"), between },
  };
}
