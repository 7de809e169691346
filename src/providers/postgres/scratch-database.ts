// Scratch on a server that the configuration names: a database of its own, dropped at the end.
import { clusterIdentity } from "../../engines/postgres/connect/identity.ts";
import { type Client, openClient } from "../../engines/postgres/connect/client.ts";
import { assertNotSource } from "../../engines/postgres/connect/identity.ts";
import { connectionFromUrl, withDatabase } from "../../engines/postgres/connect/url.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { Connection, Work } from "../../ports/engine.ts";
import type { Resource, Scratch, ScratchRequest } from "../../ports/provider.ts";

export const DATABASE_KIND = "scratch-database";
const PREFIX = "lifeboat_scratch_";
const LONGEST_NAME_BYTES = 63;
