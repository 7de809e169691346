// Options of one cut-over: where an application reads its connection string. Which options there are depends on its kind.
import { listOf, section, type Type, type Values } from "../../core/option.ts";
import { duration, integer, oneOf, text } from "../../core/option-types.ts";
import type { Late } from "../../core/secret.ts";
import { address } from "../../core/service-address.ts";
import type { CutOverDescriptor } from "../../ports/descriptor.ts";

export const health = section({
  url: {
    type: address,
    required: true,
    secret: true,
    help: "Address that answers when the application is up and reaches its database.",
    example: "https://shop.example.com/api/health",
  },
  status: { type: integer(100), default: 200, help: "The status that it answers then." },
  timeout: { type: duration, as: "timeoutMs", default: "5m", help: "How long to wait for it.", example: "5m" },
});

export const hooks = section({
  stop: {
    type: listOf(text),
    help: "Program and arguments that stop the services which use the database.",
    example: '["systemctl", "stop", "shop"]',
  },
  start: { type: listOf(text), help: "Program and arguments that start them again.", example: '["systemctl", "start", "shop"]' },
  timeout: { type: duration, as: "timeoutMs", default: "2m", help: "How long each may take." },
});

const commonOf = (cutOvers: readonly CutOverDescriptor[]) =>
  ({
    kind: { type: oneOf(cutOvers.map(({ kind }) => kind)), required: true, help: "The service, or the kind of place." },
    source: { type: text, required: true, help: "The source whose connection string the application reads there.", example: "shop" },
    variable: { type: text, default: "DATABASE_URL", help: "Name of the variable." },
    previous: {
      type: text,
      secret: true,
      help: "The value to go back to, where the place does not reveal its present value.",
      example: "${DATABASE_URL}",
    },
  }) as const;

export type CutOverConfig = Values<ReturnType<typeof commonOf>> & {
  /** Of its kind. SECRET_MISSING where a variable of one of them is not set. */
  readonly own: Late<Readonly<Record<string, unknown>>>;
};

export function cutOverOf(cutOvers: readonly CutOverDescriptor[]): Type<CutOverConfig> {
  const between = Object.fromEntries(
    cutOvers.map(({ kind, options, rule }) => [kind, { groups: [{ table: options, as: "own", late: true } as const], rule }]),
  );
  return {
    shape: "section",
    word: "section",
    table: commonOf(cutOvers),
    choice: { word: "kind", of: (value) => value("kind"), between },
  };
}
