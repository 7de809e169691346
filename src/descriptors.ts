// Every provider, storage and notification channel: one line each.
import { slack } from "./notify/slack/index.ts";
import type { Descriptors } from "./ports/descriptor.ts";
import { atlas } from "./providers/atlas/index.ts";
import { mongodb } from "./providers/mongodb/index.ts";
import { neon } from "./providers/neon/index.ts";
import { postgres } from "./providers/postgres/index.ts";
import { local } from "./storage/local/index.ts";
import { s3 } from "./storage/s3/index.ts";

export const DESCRIPTORS: Descriptors = {
  providers: [postgres, neon, mongodb, atlas],
  storages: [local, s3],
  notifiers: [slack],
};
