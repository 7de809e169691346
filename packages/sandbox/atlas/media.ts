// Versions by media type: `application/vnd.atlas.2023-01-01+json`. The server takes the newest version that is not after the date asked.
import { AtlasApiError } from "./errors.ts";

/** Dates of an endpoint's versions, oldest first, and those that are no longer answered. */
export interface Versions {
  readonly dates: readonly string[];
  readonly gone?: readonly string[];
}

const TYPE = /application\/vnd\.atlas\.(\d{4}-\d\d-\d\d)\+json/;

/** The version that answers; 406 without a date or before the first version, 410 for one that is gone. */
export function versionOf(accept: string | undefined, versions: Versions, path: string): string {
  const asked = TYPE.exec(accept ?? "")?.[1];
  if (asked === undefined)
    throw new AtlasApiError(406, "INVALID_VERSION_DATE", "A version must be asked for, as Accept: application/vnd.atlas.2025-03-12+json.", [
      accept ?? null,
    ]);
  const all = [...(versions.gone ?? []), ...versions.dates].sort();
  const found = all.findLast((date) => date <= asked);
  if (found === undefined)
    throw new AtlasApiError(406, "INVALID_VERSION_DATE", `There is no version ${asked} of ${path.replace(/^\//, "")}.`, [asked, path]);
  if (versions.gone?.includes(found) === true) {
    const resource = path.replace(/^\//, "");
    throw new AtlasApiError(410, "VERSION_GONE", `Version ${found} of ${resource} is no longer available.`, [found, resource]);
  }
  return found;
}

/** A body must say its version too: 415 otherwise. */
export function requireVersionedBody(contentType: string | undefined): void {
  if (TYPE.test(contentType ?? "")) return;
  throw new AtlasApiError(415, "UNSUPPORTED_MEDIA_TYPE", "The body's Content-Type must name a version.", [contentType ?? null]);
}

export const mediaType = (version: string): string => `application/vnd.atlas.${version}+json`;
