// Keeps secrets out of what is printed.

import { withoutPassword } from "../core/address.ts";

const STARS = "***";
/** Shorter ones would redact ordinary words. Inside a URL they are redacted too. */
const SHORTEST = 4;

/** The text without the secrets, without passwords in URLs, and without age identities. */
export function redact(text: string, secrets: Iterable<string>): string {
  const longestFirst = [...secrets].filter((secret) => secret.length >= SHORTEST).sort((a, b) => b.length - a.length);
  const redacted = longestFirst.reduce((rest, secret) => rest.replaceAll(secret, STARS), text);
  return withoutPassword(redacted).replace(/AGE-SECRET-KEY-[A-Z0-9]+/gi, STARS);
}

/** What of a secret value must not be seen: the password where it is a connection string, else all of it. */
export function secretsOf(value: string): string[] {
  const password = /^[a-z0-9+]+:\/\/[^:@/]*:(.+)@/is.exec(value)?.[1];
  const parameter = /[?&](?:ssl)?password=([^&]+)/i.exec(value)?.[1];
  if (!value.includes("://")) return [value];
  if (/^https?:/i.test(value) && URL.canParse(value)) return addressSecrets(new URL(value), value);
  // One that is not percent-encoded may be read in pieces, and each of them is a part of it.
  const pieces = password?.split(/[/?#@]/) ?? [];
  return [...new Set([password, parameter, ...(pieces.length > 1 ? pieces : [])])].flatMap((secret) =>
    secret === undefined || secret === "" ? [] : [secret, decoded(secret)],
  );
}

/** Of the secret address of a service, such as a webhook: all behind the host. A service may repeat a part alone. */
function addressSecrets({ pathname, search, searchParams, username, password }: URL, value: string): string[] {
  const pieces = [...pathname.split("/"), ...searchParams.values(), username, password].filter((piece) => piece.length >= 8);
  return [...new Set([value, ...(pathname.length > 1 ? [`${pathname}${search}`] : []), ...pieces])];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not percent-encoded, then it stands for itself
  }
}

/** A line of a configuration file for messages: values of keys that name secrets are redacted. */
export function maskLine(line: string): string {
  const masked = redact(line, []).replace(/(\b(?:url|[a-z]+Url)["']?\s*:\s+)(?!["']?\$\{).*@/, `$1${STARS}@`);
  const closed = masked.replace(/(\b(?:url|heartbeat|dsn)["']?\s*:\s+["']?https?:\/\/)(?!\$\{)[^\s"'},]+/gi, `$1${STARS}`);
  return closed.replace(
    /(\b\w*(?:pass|pasw|pwd|secret|token|accessKey|apiKey|privateKey|routingKey)\w*["']?\s*:\s+)(?!["']?\$\{)([^,}\s#][^,}#]*)/gi,
    (whole, key: string) => (/file/i.test(key) ? whole : `${key}${STARS}`),
  );
}
