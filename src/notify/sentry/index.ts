// Sentry: events, and the check-in of a cron monitor.
import { Mismatch } from "../../core/option.ts";
import { duration, text, written } from "../../core/option-types.ts";
import { readSecretAddress } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

/** The message never repeats it. */
const dsn = written("DSN", {}, (raw) => {
  const { username, pathname } = new URL(readSecretAddress(raw));
  if (username === "" || !/\/\d+$/.test(pathname)) throw new Mismatch("must be a DSN such as https://KEY@HOST/PROJECT");
  return raw;
});

const slug = written("slug", {}, (raw) => {
  if (!/^[a-z0-9_-]{1,50}$/.test(raw)) throw new Mismatch("must be a monitor's slug: lower-case letters, digits, dashes and underscores");
  return raw;
});

const options = {
  dsn: { type: dsn, required: true, secret: true, help: "Client key (DSN) of the project.", example: "${SENTRY_DSN}" },
  environment: { type: text, default: "production", help: "Environment of events and check-ins." },
  monitor: { type: slug, help: "Slug of a cron monitor that receives the heartbeat.", example: "lifeboat" },
  every: {
    type: duration,
    as: "everyMs",
    help: "How often the heartbeat comes: creates or updates the monitor with this interval. Default: the monitor's own schedule.",
    example: "5m",
  },
} as const;

export const sentry = defineNotifier({
  kind: "sentry",
  options,
  rule({ every, monitor }) {
    if (every !== undefined && monitor === undefined) return "every needs monitor beside it";
    return typeof every === "number" && every < 60_000 ? { path: ["every"], message: "must be at least 1m" } : undefined;
  },
  load: () => import("./sentry.ts"),
});
