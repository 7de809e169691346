// Every provider, storage, notification channel, queue and cut-over: one line each.
import { command } from "./cutover/command/index.ts";
import { coolify } from "./cutover/coolify/index.ts";
import { environmentFile } from "./cutover/environment-file/index.ts";
import { fly } from "./cutover/fly/index.ts";
import { railway } from "./cutover/railway/index.ts";
import { render } from "./cutover/render/index.ts";
import { vercel } from "./cutover/vercel/index.ts";
import { webhook as webhookCutOver } from "./cutover/webhook/index.ts";
import { betterstack } from "./notify/betterstack/index.ts";
import { discord } from "./notify/discord/index.ts";
import { email } from "./notify/email/index.ts";
import { healthchecks } from "./notify/healthchecks/index.ts";
import { pagerduty } from "./notify/pagerduty/index.ts";
import { sentry } from "./notify/sentry/index.ts";
import { slack } from "./notify/slack/index.ts";
import { teams } from "./notify/teams/index.ts";
import { webhook } from "./notify/webhook/index.ts";
import type { Descriptors } from "./ports/descriptor.ts";
import { atlas } from "./providers/atlas/index.ts";
import { mongodb } from "./providers/mongodb/index.ts";
import { neon } from "./providers/neon/index.ts";
import { postgres } from "./providers/postgres/index.ts";
import { postgresQueue } from "./queue/postgres/index.ts";
import { local } from "./storage/local/index.ts";
import { s3 } from "./storage/s3/index.ts";

export const DESCRIPTORS: Descriptors = {
  providers: [postgres, neon, mongodb, atlas],
  storages: [local, s3],
  queues: [postgresQueue],
  notifiers: [slack, email, discord, teams, webhook, betterstack, sentry, pagerduty, healthchecks],
  cutOvers: [environmentFile, command, webhookCutOver, coolify, vercel, railway, render, fly],
};
