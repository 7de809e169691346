// Where Atlas's API is reached.
import { LifeboatError } from "../../../core/errors.ts";

export const DEFAULT_HOST = "https://cloud.mongodb.com";

/** The address without a slash at its end. CONFIG_INVALID for one that would send secrets over a network unencrypted. */
export function validateHost(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new LifeboatError("CONFIG_INVALID", `apiHost must be an address as ${DEFAULT_HOST}`);
  }
  if (url.username !== "" || url.password !== "") throw new LifeboatError("CONFIG_INVALID", "apiHost must hold no user and no password");
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw new LifeboatError("CONFIG_INVALID", `apiHost ${url.host} must be reached by https: secrets would travel unencrypted`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

export const isLoopback = (hostname: string): boolean => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/.test(hostname);
