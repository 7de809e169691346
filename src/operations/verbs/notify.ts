// lifeboat notify test: one message through each channel.
import * as z from "zod/mini";
import { asLifeboatError, EXIT, LifeboatError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";
import type { Alert, Channel } from "../../ports/notifier.ts";
import type { Context } from "../context.ts";
import { type OperationContext, operation } from "../operation.ts";
import { about, errorCode, orNull } from "../schemas.ts";
import { channelWorks } from "../watch/beat.ts";

const OUTCOMES = ["sent", "refused", "unreachable"] as const;

const tried = z.strictObject({
  channel: about(z.string(), "Its name in the configuration."),
  kind: about(z.string(), "The service, as in the configuration."),
  outcome: about(z.enum(OUTCOMES), "`refused`: the service or the configuration must be corrected. `unreachable`: it may work later."),
  message: z.string(),
  code: about(orNull(errorCode), "Of the error; null: sent."),
  next: about(orNull(z.string()), "What to do; null: sent."),
});

export const notifyTest = operation({
  name: "notify test",
  access: "backup",
  storedOnly: () => true,
  request: z.strictObject({ channel: z.optional(about(z.string(), "Name of a channel. Default: all.")) }),
  result: z.strictObject({ channels: z.array(tried) }),
  async run(context, { channel }) {
    const channels = channelsNamed(context, channel);
    const found = await Promise.all(channels.map((one) => tryOut(one, context)));
    await channelWorks(context, new Set(found.flatMap(({ channel: name, outcome }) => (outcome === "sent" ? [name] : []))));
    return { channels: found };
  },
  exit: ({ channels }) => (channels.every(({ outcome }) => outcome === "sent") ? EXIT.done : EXIT.failed),
});

function channelsNamed({ notifiers = new Map() }: Pick<Context, "notifiers">, name: string | undefined): readonly Channel[] {
  const names = [...notifiers.keys()];
  if (names.length === 0)
    throw new LifeboatError("CHANNEL_UNKNOWN", "the configuration has no notification channel", {
      hint: "add one under `notify` in the configuration, as docs/notifications.md shows",
    });
  const found = name === undefined ? [...notifiers.values()] : [...notifiers.values()].filter((one) => one.name === name);
  if (found.length > 0) return found;
  throw new LifeboatError(
    "CHANNEL_UNKNOWN",
    `no channel is called "${name}" (there are ${names.join(", ")})${didYouMean(name ?? "", names)}`,
  );
}

async function tryOut(channel: Channel, { clock, signal }: OperationContext): Promise<z.infer<typeof tried>> {
  const { name, kind } = channel;
  try {
    const notifier = await channel.notifier();
    await notifier.send?.(testAlert(name, clock.now()), { signal });
    await notifier.heartbeat?.("ok", { signal });
    const what = [notifier.send && "a test message", notifier.heartbeat && "a heartbeat"].filter(Boolean).join(" and ");
    return { channel: name, kind, outcome: "sent", message: `${what} arrived`, code: null, next: null };
  } catch (error) {
    signal.throwIfAborted();
    const { code, message, hint } = asLifeboatError(error);
    return { channel: name, kind, outcome: code === "NOTIFY_FAILED" ? "unreachable" : "refused", message, code, next: hint };
  }
}

function testAlert(channel: string, now: Date): Alert {
  return {
    identity: `test/${channel}`,
    event: "test",
    severity: "info",
    source: null,
    code: "NOTIFY_TEST",
    title: "Test of a notification channel",
    message: `Alerts reach channel ${channel}. Nothing is wrong.`,
    since: now,
    at: now,
  };
}
