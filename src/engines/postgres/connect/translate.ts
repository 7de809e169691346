// Turns what the server, the network and the client library say into LifeboatErrors.
import { type ErrorCode, LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";

/** SQLSTATE, or its class (two characters) → what it means to the user. Longer prefixes win. */
const BY_SQLSTATE: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  "28": ["SOURCE_AUTH", "the server refused the login to"],
  "3D000": ["SOURCE_UNREACHABLE", "there is no such database:"],
  "42501": ["SOURCE_PERMISSION", "permission is missing in"],
  "53100": ["DISK_FULL", "the disk is full on the server of"],
  "53300": ["SOURCE_UNREACHABLE", "the server has no connection left for"],
  "57014": ["SOURCE_UNREACHABLE", "a statement was cancelled on the server of"],
  "57P": ["SOURCE_UNREACHABLE", "the server ended or refused the connection to"],
  "08": ["SOURCE_UNREACHABLE", "the connection broke to"],
};

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the name server did not answer",
  ETIMEDOUT: "it did not answer in time",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  EHOSTUNREACH: "there is no route to the host",
  ENETUNREACH: "there is no route to its network",
  ENOENT: "there is no such socket",
  EACCES: "the socket may not be opened by this user",
};

/** What is wrong with a certificate, by OpenSSL's and Node's codes: what happened, and what to do. */
const BY_CERTIFICATE: Readonly<Record<string, readonly [string, string]>> = {
  ...forAll(["CERT_HAS_EXPIRED"], "the server's certificate has expired", "renew the certificate on the server"),
  ...forAll(["CERT_NOT_YET_VALID"], "the server's certificate is not yet valid", "check the clocks of the server and of this machine"),
  ...forAll(["CERT_REVOKED"], "the server's certificate was revoked", "give the server a new certificate"),
  ...forAll(
    ["CRL_HAS_EXPIRED", "UNABLE_TO_GET_CRL", "CRL_NOT_YET_VALID", "CRL_SIGNATURE_FAILURE"],
    "the revocation list does not cover the server's certificate",
    "renew the file that sslcrl names (default: ~/.postgresql/root.crl)",
  ),
  ...forAll(
    ["ERR_TLS_CERT_ALTNAME_INVALID"],
    "the server's certificate is for another host name",
    "write the host name of the certificate into the address, or give the server a certificate for this one",
  ),
  ...forAll(
    [
      ...["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT", "CERT_SIGNATURE_FAILURE"],
      ...["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "CERT_UNTRUSTED", "INVALID_CA"],
    ],
    "no trusted authority signed the server's certificate",
    "name the file of the authority that did by sslrootcert in the address",
  ),
  ...forAll(
    [
      ...["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR", "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE"],
      ...[
        "ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED",
        "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
      ],
      ...["ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE", "ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED"],
    ],
    "the server does not accept the client's certificate",
    "check the certificate that sslcert names (default: ~/.postgresql/postgresql.crt), and the server's ssl_ca_file",
  ),
  ...forAll(
    ["ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", "ERR_SSL_UNSUPPORTED_PROTOCOL", "ERR_SSL_NO_PROTOCOLS_AVAILABLE"],
    "the server and the address have no version of TLS in common",
    "check the server's ssl_min_protocol_version and ssl_max_protocol_version, and those of the address",
  ),
};

function forAll(codes: readonly string[], what: string, next: string): Record<string, readonly [string, string]> {
  return Object.fromEntries(codes.map((code) => [code, [what, next] as const]));
}

/** Messages of the client library and of TLS that come without a code. */
const BY_TEXT: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/timeout expired|connection timed? ?out|timeout exceeded/i, "SOURCE_UNREACHABLE", "it did not answer in time"],
  [/Connection terminated|connection is closed|Client was closed|not queryable/i, "SOURCE_UNREACHABLE", "the connection was cut"],
  [/does not support SSL/i, "SOURCE_UNREACHABLE", "the server offers no TLS, and sslmode asks for it"],
  [/certificate|self.signed|altnames/i, "SOURCE_UNREACHABLE", "the server's certificate is not trusted"],
  [
    /Unknown authenticationOk/,
    "SOURCE_AUTH",
    "the server asks for a method of authentication that is not supported (GSSAPI or SSPI, for example)",
  ],
  [
    /password must be a string|no password supplied|SASL/i,
    "SOURCE_AUTH",
    "the server asks for a password that was not given, or is not right",
  ],
];

const DISK_HINT = { hint: "free space on the server's disk, then run it again" };
const RULES_HINT = { hint: "admit this host, user and database in the server's pg_hba.conf, then run: SELECT pg_reload_conf();" };

/** How pgbouncer, Neon's pooled hosts and Amazon's RDS Proxy say that they take no `options` of a session. */
const REFUSED_SETTINGS = /unsupported startup parameter|does(?:n't| not) support command-line options/i;

/** SOURCE_POOLED for what answers a login without taking our settings over. */
export function passedOver(connection: Connection): LifeboatError {
  return pooler(connection, "it passes over the settings that a session begins with");
}

function pooler(connection: Connection, why: string, cause?: unknown): LifeboatError {
  return new LifeboatError("SOURCE_POOLED", `${connection.label} cannot be used: a pooler answers there: ${why}`, { cause });
}

/** Translates the error of a failed connection or statement. An unexpected one is returned unchanged: it is a bug, or the statement's fault. */
export function translateError(error: unknown, connection: Connection): unknown {
  if (error instanceof LifeboatError || !(error instanceof Error)) return error;
  // Several addresses were tried: any of their errors tells the story.
  if (error instanceof AggregateError && error.errors.length > 0) return translateError(error.errors[0], connection);
  const code = (error as { code?: unknown }).code;
  if (REFUSED_SETTINGS.test(error.message)) return pooler(connection, `it refuses the settings of a session (${error.message})`, error);
  const options = { cause: error, details: { ...(typeof code === "string" ? { sqlState: code } : {}) } };
  if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && NETWORK[code] === undefined) {
    const known = [code, code.slice(0, 3), code.slice(0, 2)].map((prefix) => BY_SQLSTATE[prefix]).find((facts) => facts !== undefined);
    const hint = known?.[0] === "DISK_FULL" ? DISK_HINT : code === "28000" && error.message.includes("pg_hba.conf") ? RULES_HINT : {};
    if (known) return new LifeboatError(known[0], `${known[1]} ${connection.label}: ${error.message}`, { ...options, ...hint });
    return error;
  }
  const certificate = typeof code === "string" ? BY_CERTIFICATE[code] : undefined;
  if (certificate !== undefined) {
    const [what, hint] = certificate;
    return new LifeboatError("SOURCE_UNREACHABLE", `cannot reach ${connection.label}: ${what}`, { ...options, hint });
  }
  const why = typeof code === "string" ? NETWORK[code] : undefined;
  if (why !== undefined) return new LifeboatError("SOURCE_UNREACHABLE", `cannot reach ${connection.label}: ${why}`, options);
  for (const [pattern, errorCode, words] of BY_TEXT) {
    if (pattern.test(error.message)) {
      const what = errorCode === "SOURCE_AUTH" ? "cannot log in to" : "cannot reach";
      return new LifeboatError(errorCode, `${what} ${connection.label}: ${words}`, options);
    }
  }
  return error;
}

/** The same for a login: a database that is closed to everybody, or half dropped, is refused with a state that elsewhere means many things. */
export function translateLogin(error: unknown, connection: Connection): unknown {
  const { detail } = error as { detail?: unknown };
  // A copied data directory on a machine without the locale of one of its databases; only this word is the same in every language.
  if (error instanceof Error && typeof detail === "string" && detail.includes("setlocale()")) {
    const hint = "install that locale on the machine of this server (Debian: apt-get install locales-all), then run it again";
    return new LifeboatError("CAPABILITY_MISSING", `no session can be opened to ${connection.label}: ${error.message}: ${detail}`, {
      cause: error,
      hint,
    });
  }
  if (!(error instanceof Error) || sqlStateOf(error) !== "55000") return translateError(error, connection);
  return new LifeboatError("SOURCE_UNREACHABLE", `no session can be opened to ${connection.label}: ${error.message}`, {
    cause: error,
    details: { sqlState: "55000" },
  });
}

/** Names an SQLSTATE if the error, or its cause, came from the server. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code)) return code;
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? undefined : sqlStateOf(cause);
}
