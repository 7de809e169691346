// TLS as libpq's `sslmode` means it, for the programs and for our own client alike.
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { LifeboatError } from "../../../core/errors.ts";
import type { ConnectionParts } from "./url.ts";

export const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** Where systems keep the authorities they trust: Debian, Red Hat, macOS and BSD. */
const SYSTEM_ROOTS = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

export function sslModeOf(parts: ConnectionParts): SslMode {
  if (parts.host.startsWith("/")) return "disable";
  const asked = parts.parameters.sslmode ?? process.env.PGSSLMODE ?? "prefer";
  const mode = SSL_MODES.find((known) => known === asked);
  if (mode === undefined) throw new LifeboatError("CONFIG_INVALID", `sslmode ${asked} is not one of ${SSL_MODES.join(", ")}`);
  return mode;
}

/**
 * The file of trusted authorities: the one named, else libpq's own default, else the system's. Older programs know no
 * `sslrootcert=system`, so the system's file is named to them; both then trust the same authorities.
 */
export function rootCertificateFile(parts: ConnectionParts): string | undefined {
  const asked = parts.parameters.sslrootcert;
  if (asked !== undefined && asked !== "system") return asked;
  const own = join(homedir(), ".postgresql", "root.crt");
  if (asked === undefined && existsSync(own)) return own;
  return SYSTEM_ROOTS.find((path) => existsSync(path));
}

/** Options of one attempt, or false for an attempt without TLS. */
export function tlsOptions(parts: ConnectionParts, mode: SslMode): ConnectionOptions | false {
  if (mode === "disable") return false;
  const { sslcert, sslkey, sslrootcert } = parts.parameters;
  const verifies = mode === "verify-ca" || mode === "verify-full" || (mode === "require" && sslrootcert !== undefined);
  const roots = verifies ? rootCertificateFile(parts) : undefined;
  return {
    rejectUnauthorized: verifies,
    ...(mode === "verify-full" || sslrootcert === "system" || !verifies ? {} : { checkServerIdentity: () => undefined }),
    ...(roots === undefined ? {} : { ca: read(roots) }),
    ...(sslcert === undefined ? {} : { cert: read(sslcert) }),
    ...(sslkey === undefined ? {} : { key: read(sslkey) }),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new LifeboatError("CONFIG_INVALID", `the certificate file ${path} cannot be read`, { cause });
  }
}
