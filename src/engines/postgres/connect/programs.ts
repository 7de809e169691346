// How PostgreSQL's programs learn where to connect: through their environment, so that neither a password nor an odd
// database name is ever in an argument list.
//
// The password goes into PGPASSWORD of that one child. A process's environment can be read only by its own user and by root,
// who could read a password file too; but a password file outlives a crash, and an environment does not.
import type { Connection } from "../../../ports/connection.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { programOptions } from "./settings.ts";
import { rootCertificateFile, sslModeOf } from "./tls.ts";
import { partsOf } from "./url.ts";

/** Parameters of an address that programs take from a variable. */
const VARIABLES: Readonly<Record<string, string>> = {
  channel_binding: "PGCHANNELBINDING",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
  sslcrl: "PGSSLCRL",
  sslnegotiation: "PGSSLNEGOTIATION",
  ssl_min_protocol_version: "PGSSLMINPROTOCOLVERSION",
  gssencmode: "PGGSSENCMODE",
  krbsrvname: "PGKRBSRVNAME",
  require_auth: "PGREQUIREAUTH",
  target_session_attrs: "PGTARGETSESSIONATTRS",
  passfile: "PGPASSFILE",
};

const CONNECT_TIMEOUT_S = 15;

/**
 * The whole environment of a program that connects, with the settings that its sessions begin with. Nothing of our own PG* variables is passed on (PGHOSTADDR or PGSERVICE
 * could lead the program elsewhere than our own client). The program must be run without host, port, user or database arguments;
 * one that insists on a database argument gets `databaseArgument(name)`.
 */
export function programEnvironment(connection: Connection): Record<string, string> {
  const parts = partsOf(connection);
  const mode = sslModeOf(parts);
  const roots = mode.startsWith("verify") || parts.parameters.sslrootcert !== undefined ? rootCertificateFile(parts) : undefined;
  const environment: Record<string, string> = {
    ...baseEnvironment(),
    PGHOST: parts.host,
    PGPORT: String(parts.port),
    PGUSER: parts.user,
    PGDATABASE: parts.database,
    PGSSLMODE: mode,
    PGAPPNAME: "lifeboat",
    PGOPTIONS: programOptions(parts.parameters.options),
    PGCONNECT_TIMEOUT: parts.parameters.connect_timeout ?? String(CONNECT_TIMEOUT_S),
    ...(parts.password === undefined ? {} : { PGPASSWORD: parts.password }),
    ...(roots === undefined ? {} : { PGSSLROOTCERT: roots }),
  };
  for (const [parameter, variable] of Object.entries(VARIABLES)) {
    const value = parts.parameters[parameter];
    if (value !== undefined) environment[variable] = value;
  }
  return environment;
}

/** A database name for `--dbname`, in the one form that cannot be mistaken for a connection string. */
export function databaseArgument(name: string): string {
  return `dbname='${name.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** What must never be shown of a connection: for `startChild`'s `secrets`. */
export function secretsOf(connection: Connection): readonly string[] {
  const { password } = partsOf(connection);
  return password === undefined ? [] : [password, encodeURIComponent(password)];
}
