// TLS as libpq means it, for the programs and for our own client alike.
import { existsSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, createSecureContext, type SecureContext, type SecureVersion } from "node:tls";
import { LifeboatError } from "../../../core/errors.ts";
import type { SslMode } from "./parameters.ts";
import type { ConnectionParts } from "./url.ts";

/** Where systems keep the authorities they trust: Debian, Red Hat, macOS and BSD. */
const SYSTEM_ROOTS = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/** A file of libpq's own folder, where it is there. */
function ownFile(name: string): string | undefined {
  const path = join(homedir(), ".postgresql", name);
  return existsSync(path) ? path : undefined;
}

/**
 * The file of the authorities that the server's certificate is verified by; undefined: it is not verified. The one named, else libpq's own
 * default, else the system's. Older programs know no `sslrootcert=system`, so the system's file is named to them; both then trust the
 * same authorities. Throws CONFIG_INVALID where there is none, or where verify-ca would trust each holder of a public certificate.
 */
export function rootCertificateFile(parts: ConnectionParts, mode: SslMode): string | undefined {
  if (mode === "disable" || mode === "allow" || mode === "prefer") return undefined;
  const asked = parts.parameters.sslrootcert ?? (process.env.PGSSLROOTCERT || undefined);
  if (asked !== undefined && asked !== "system") return asked;
  const own = asked === undefined ? ownFile("root.crt") : undefined;
  if (own !== undefined || mode === "require") return own;
  if (mode === "verify-ca")
    throw new LifeboatError("CONFIG_INVALID", "sslmode verify-ca needs an authority of your own: with the public ones, any server passes", {
      hint: "add sslrootcert=FILE to the address, or use sslmode=verify-full",
    });
  const system = SYSTEM_ROOTS.find((path) => existsSync(path));
  if (system !== undefined) return system;
  throw new LifeboatError("CONFIG_INVALID", "no certificates of authorities are on this machine to verify a server by", {
    hint: "install the package ca-certificates, or add sslrootcert=FILE to the address",
  });
}

/** Options of one attempt, or false for an attempt without TLS. Throws CONFIG_INVALID or SECRET_EXPOSED for files that cannot be used. */
export function tlsOptions(parts: ConnectionParts, mode: SslMode): ConnectionOptions | false {
  if (mode === "disable") return false;
  const { sslcrl, ssl_min_protocol_version: least, ssl_max_protocol_version: most } = parts.parameters;
  const roots = rootCertificateFile(parts, mode);
  const crl = roots === undefined ? undefined : (sslcrl ?? ownFile("root.crl"));
  const options: ConnectionOptions = {
    rejectUnauthorized: roots !== undefined,
    ...(mode === "verify-full" || roots === undefined ? {} : { checkServerIdentity: () => undefined }),
    ...(roots === undefined ? {} : { ca: readPem(roots, "CERTIFICATE") }),
    ...(crl === undefined ? {} : { crl: readPem(crl, "CRL") }),
    ...clientCertificate(parts),
    minVersion: (least ?? "TLSv1.2") as SecureVersion,
    ...(most === undefined ? {} : { maxVersion: most as SecureVersion }),
  };
  try {
    return { ...options, secureContext: contextOf(options) };
  } catch (cause) {
    const { code, message } = cause as { code?: string; message: string };
    const why = CONTEXT_FLAWS.find(([known]) => known.test(code ?? ""))?.[1] ?? message;
    throw new LifeboatError("CONFIG_INVALID", `the certificates for ${parts.host} cannot be used: ${why}`, { cause });
  }
}

/** Those made lately, by their options: with the system's authorities, to make one takes 50 ms of the processor. */
const contexts = new Map<string, SecureContext>();
const MOST_CONTEXTS = 16;

function contextOf(options: ConnectionOptions): SecureContext {
  const from = JSON.stringify(options);
  const context = contexts.get(from) ?? createSecureContext(options);
  if (contexts.size >= MOST_CONTEXTS && !contexts.has(from)) contexts.clear();
  contexts.set(from, context);
  return context;
}

const CONTEXT_FLAWS: readonly (readonly [RegExp, string])[] = [
  [/KEY_VALUES_MISMATCH/, "sslkey is not the key of the certificate in sslcert"],
  [/INTERRUPTED_OR_CANCELLED|PASSPHRASE|BAD_DECRYPT/, "the key in sslkey has a passphrase"],
];

/** The client's certificate and its key: those named, else libpq's own defaults. A key that others can read is refused, as by libpq. */
function clientCertificate({ parameters: { sslcert, sslkey } }: ConnectionParts): { cert?: string; key?: string } {
  const cert = sslcert ?? ownFile("postgresql.crt");
  if (cert === undefined) return {};
  const key = sslkey ?? ownFile("postgresql.key");
  if (key === undefined)
    throw new LifeboatError("CONFIG_INVALID", `the certificate ${cert} has no key beside it`, { hint: "add sslkey=FILE to the address" });
  const pair = { cert: readPem(cert, "CERTIFICATE"), key: readPem(key, "PRIVATE KEY") };
  const { mode, uid } = statSync(key);
  if ((mode & (uid === 0 ? 0o037 : 0o077)) !== 0)
    throw new LifeboatError("SECRET_EXPOSED", `other users can read the key ${key}`, { hint: `run \`chmod 600 ${key}\`` });
  return pair;
}

function readPem(path: string, kind: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new LifeboatError("CONFIG_INVALID", `the certificate file ${path} cannot be read`, { cause });
  }
  if (new RegExp(`-----BEGIN [A-Z0-9 ]*${kind}-----`).test(text)) return text;
  throw new LifeboatError("CONFIG_INVALID", `the file ${path} holds no ${kind.toLowerCase()} in PEM`);
}
