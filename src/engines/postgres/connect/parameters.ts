// The parameters of an address. libpq refuses one that it does not know, or whose value it cannot use, and so does this table: otherwise
// an address would work in our own sessions and fail in pg_dump, or mean one thing here and another there.
import { LifeboatError } from "../../../core/errors.ts";

export const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof SSL_MODES)[number];

type Parameters = Readonly<Record<string, string>>;

interface Parameter {
  /** Absent: what a program does with it makes no difference to us, so it is not passed on. */
  readonly variable?: string;
  /** What a value must look like, and how that is said. Absent: any text. */
  readonly form?: readonly [RegExp, string];
}

const oneOf = (...words: readonly string[]): readonly [RegExp, string] => [new RegExp(`^(?:${words.join("|")})$`), `be ${listed(words)}`];
const listed = (words: readonly string[]): string => `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
const WHOLE = [/^-?\d{1,9}$/, "be a whole number"] as const;
const TLS_VERSION = oneOf("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3");
const METHOD = "!?(?:password|md5|gss|sspi|scram-sha-256|oauth|none)";

/** Understood the same by our own client and by PostgreSQL's programs, or without effect in both. */
const PARAMETERS: Readonly<Record<string, Parameter>> = {
  sslmode: { form: oneOf(...SSL_MODES) },
  sslrootcert: {},
  options: {},
  passfile: {},
  sslcert: { variable: "PGSSLCERT" },
  sslkey: { variable: "PGSSLKEY" },
  sslcrl: { variable: "PGSSLCRL" },
  sslnegotiation: { variable: "PGSSLNEGOTIATION", form: oneOf("postgres", "direct") },
  ssl_min_protocol_version: { variable: "PGSSLMINPROTOCOLVERSION", form: TLS_VERSION },
  ssl_max_protocol_version: { variable: "PGSSLMAXPROTOCOLVERSION", form: TLS_VERSION },
  channel_binding: { variable: "PGCHANNELBINDING", form: oneOf("disable", "prefer", "require") },
  require_auth: {
    variable: "PGREQUIREAUTH",
    form: [new RegExp(`^${METHOD}(?:,${METHOD})*$`), "list methods of authentication, such as scram-sha-256"],
  },
  gssencmode: { variable: "PGGSSENCMODE", form: oneOf("disable", "prefer") },
  krbsrvname: { variable: "PGKRBSRVNAME" },
  target_session_attrs: {
    variable: "PGTARGETSESSIONATTRS",
    form: oneOf("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
  },
  connect_timeout: { form: [WHOLE[0], "be a whole number of seconds"] },
  application_name: {},
  fallback_application_name: {},
  client_encoding: {},
  keepalives: { form: WHOLE },
  keepalives_idle: { form: WHOLE },
  keepalives_interval: { form: WHOLE },
  keepalives_count: { form: WHOLE },
  tcp_user_timeout: { form: WHOLE },
  sslcompression: { form: oneOf("0", "1") },
  sslsni: { form: oneOf("1") },
  gsslib: {},
  gssdelegation: { form: oneOf("0", "1") },
  load_balance_hosts: { form: oneOf("disable", "random") },
  max_protocol_version: { form: oneOf("3.0", "3.2", "latest") },
  min_protocol_version: { form: oneOf("3.0") },
};

/** What libpq takes and Lifeboat does not, and what to write instead. */
const REFUSED: Readonly<Record<string, string>> = {
  service: "write what the service file says into the address",
  servicefile: "write what the service file says into the address",
  hostaddr: "write that address as the host",
  replication: "leave it out; Lifeboat opens sessions of both kinds by itself",
  sslpassword: "it cannot be given to PostgreSQL's programs; use a key without a passphrase",
  sslcertmode: "leave it out; a certificate is sent where sslcert names one",
  sslcrldir: "put the revocation lists into one file, and name it by sslcrl",
  sslaccept: "write sslmode=verify-full for strict, and leave it out for accept_invalid_certs",
  requirepeer: "leave it out; the directory of the socket decides who can answer there",
};

/** Of other clients, such as the pools of Prisma and Rails. They change nothing that a backup reads or a restore writes. */
const OF_OTHER_CLIENTS: ReadonlySet<string> = new Set([
  ...["schema", "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size"],
  ...["pool", "prepared_statements", "checkout_timeout", "uselibpqcompat"],
]);

/**
 * The parameters of an address, checked. An empty value of a text says nothing, as in libpq. Throws CONFIG_INVALID; a value is never
 * repeated, because a password that is not percent-encoded can end in it.
 */
export function checkedParameters(given: Parameters): Parameters {
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const refused = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
    if (refused !== undefined) throw invalidAddress(`the parameter ${name} is not supported: ${refused}`);
    // As JDBC writes it; libpq reads it like this, too.
    if (name === "ssl" && value === "true") {
      checked.sslmode ??= "require";
      continue;
    }
    if (OF_OTHER_CLIENTS.has(name)) continue;
    const parameter = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined;
    if (parameter === undefined) throw invalidAddress(`${shown(name)} is not a parameter of libpq; leave it out`);
    const { form } = parameter;
    if (form === undefined && value === "") continue;
    if (form !== undefined && !form[0].test(value)) throw invalidAddress(`its parameter ${name} must ${form[1]}`);
    checked[name] = value;
  }
  checkTogether(checked);
  return checked;
}

/** Sends each parameter to a program by its variable. */
export function variablesOf(parameters: Parameters): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of Object.entries(parameters)) {
    const { variable } = PARAMETERS[name] ?? {};
    if (variable !== undefined) variables[variable] = value;
  }
  return variables;
}

/** Never weaker than what the address names authorities for. A Unix socket takes no TLS. */
export function sslModeOf({ host, parameters }: { readonly host: string; readonly parameters: Parameters }): SslMode {
  if (host.startsWith("/")) return "disable";
  const asked = parameters.sslmode ?? (parameters.sslrootcert === "system" ? "verify-full" : (process.env.PGSSLMODE ?? "prefer"));
  const mode = SSL_MODES.find((known) => known === asked);
  if (mode === undefined) throw new LifeboatError("CONFIG_INVALID", `PGSSLMODE must be ${listed(SSL_MODES)}`);
  return mode;
}

/** Rules of libpq, and one of Lifeboat: an address that names an authority means the server to be verified by it. */
function checkTogether({ sslmode, sslrootcert, sslnegotiation, ...rest }: Parameters): void {
  const strength = sslmode === undefined ? undefined : SSL_MODES.indexOf(sslmode as SslMode);
  if (sslrootcert === "system" && sslmode !== undefined && sslmode !== "verify-full")
    throw invalidAddress("sslrootcert=system takes sslmode=verify-full only");
  if (sslrootcert !== undefined && sslrootcert !== "system" && (strength ?? 0) < SSL_MODES.indexOf("require"))
    throw invalidAddress("sslrootcert verifies nothing without sslmode=verify-full beside it");
  if (sslnegotiation === "direct" && (strength ?? SSL_MODES.indexOf("require")) < SSL_MODES.indexOf("require"))
    throw invalidAddress("sslnegotiation=direct takes sslmode=require, verify-ca or verify-full");
  const { ssl_min_protocol_version: least, ssl_max_protocol_version: most } = rest;
  if (least !== undefined && most !== undefined && least > most)
    throw invalidAddress("ssl_min_protocol_version is above ssl_max_protocol_version");
}

/** A name that could be a part of a password is not repeated. */
const shown = (name: string): string => (/^[a-z]+(?:[_-]?[a-z]+)*$/i.test(name) ? name : "one of its parameters");

export const invalidAddress = (why: string): LifeboatError =>
  new LifeboatError("CONFIG_INVALID", `the address of a PostgreSQL database cannot be read: ${why}`);
