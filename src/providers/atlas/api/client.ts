// What we need of Atlas's Administration API, and what it promises: the one seam between the provider and the wire.
//
// Every call has a deadline, obeys the signal, waits as long as `Retry-After` says, rides out short outages, and throws PROVIDER_*
// errors that carry Atlas's own code in their details. What makes something makes it once: after a lost answer the thing is looked
// for before the request is repeated. Calls return when Atlas has accepted the request; waiting for its end is the caller's.
import { LifeboatError } from "../../../core/errors.ts";
import type { Clock } from "../../../ports/clock.ts";
import { validateHost } from "../../http/call.ts";
import type { Timeouts } from "../options.ts";
import type { AtlasAuth, Credential } from "./auth/auth.ts";
import { openDigest } from "./auth/digest.ts";
import { openOAuth } from "./auth/oauth.ts";
import { type BackupCalls, backupCalls } from "./backups.ts";
import { type ClusterCalls, clusterCalls } from "./clusters.ts";
import { type ExportCalls, exportCalls } from "./exports.ts";
import { type RestoreCalls, restoreCalls } from "./restores.ts";
import { openSession } from "./session.ts";

const DEFAULT_HOST = "https://cloud.mongodb.com";

export interface AtlasApi extends ClusterCalls, BackupCalls, RestoreCalls, ExportCalls {
  /** Takes secrets out of a text. */
  redact(text: string): string;
}

export interface AtlasApiOptions {
  readonly groupId: string;
  /** Absent: the first request is SECRET_MISSING. */
  readonly auth: AtlasAuth | undefined;
  readonly apiHost?: string | undefined;
  readonly timeouts: Timeouts;
  readonly clock: Clock;
  /** Further texts that must never be printed. Asked when there is something to print. */
  readonly secrets?: (() => readonly string[]) | undefined;
}

/** CONFIG_INVALID when project or host cannot be right. Asks nothing and reads no secret yet. */
export function openAtlasApi({ groupId, auth, apiHost, timeouts, clock, secrets = () => [] }: AtlasApiOptions): AtlasApi {
  if (!/^[0-9a-f]{24}$/i.test(groupId)) {
    throw new LifeboatError("CONFIG_INVALID", `"${groupId}" is not the id of an Atlas project: 24 digits and letters from a to f`);
  }
  const host = validateHost(apiHost ?? DEFAULT_HOST, DEFAULT_HOST);
  const credential =
    auth === undefined ? NONE : "clientId" in auth ? openOAuth({ ...auth, host, clock, requestMs: timeouts.requestMs }) : openDigest(auth);
  const redact = (text: string): string =>
    [...credential.secrets(), ...secrets()].filter((one) => one !== "").reduce((clean, secret) => clean.replaceAll(secret, "***"), text);
  const session = openSession(host, groupId, { credential, timeouts, clock, redact });
  return { ...clusterCalls(session), ...backupCalls(session), ...restoreCalls(session), ...exportCalls(session), redact };
}

const NONE: Credential = {
  name: "service account",
  async header() {
    throw new LifeboatError("SECRET_MISSING", "the source has no credentials for Atlas's API", {
      hint: "set clientId and clientSecret in the source, or the variables ATLAS_CLIENT_ID and ATLAS_CLIENT_SECRET",
    });
  },
  refused: () => false,
  secrets: () => [],
};
