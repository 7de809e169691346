// Every command that is served, by name.
import type { Handlers } from "../call.ts";
import { COLLECTIONS } from "./collections.ts";
import { COUNTING } from "./counting.ts";
import { HELLO } from "./hello.ts";
import { INDEXES } from "./indexes.ts";
import { MISC } from "./misc.ts";
import { READING } from "./reading.ts";
import { REPLICATION } from "./replication.ts";
import { VALIDATING } from "./validating.ts";
import { WRITING } from "./writing.ts";

export const HANDLERS: Handlers = {
  ...HELLO,
  ...READING,
  ...COUNTING,
  ...WRITING,
  ...COLLECTIONS,
  ...INDEXES,
  ...REPLICATION,
  ...VALIDATING,
  ...MISC,
};
