// How PostgreSQL's programs learn where to connect: through their environment, so that neither a password nor an odd
// database name is ever in an argument list.
//
// The password goes into PGPASSWORD of that one child. A process's environment can be read only by its own user and by root,
// who could read a password file too; but a password file outlives a crash, and an environment does not.
import type { Connection } from "../../../ports/connection.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { sslModeOf, variablesOf } from "./parameters.ts";
import { passwordOf } from "./passfile.ts";
import { programOptions } from "./settings.ts";
import { rootCertificateFile } from "./tls.ts";
import { partsOf } from "./url.ts";

const CONNECT_TIMEOUT_S = 15;
/** A program passes over a file that is not there, unless it is to verify by it. */
const NO_FILE = "/nonexistent/root.crt";

/** A session, asked whether its role may choose the language of the server's messages. */
export type LanguageOf = { readonly choosesLanguage?: boolean | undefined };

/**
 * The whole environment of a program that connects, with the settings that its sessions begin with. Nothing of our own PG* variables is passed on (PGHOSTADDR or PGSERVICE
 * could lead the program elsewhere than our own client). The program must be run without host, port, user or database arguments;
 * one that insists on a database argument gets `databaseArgument(name)`.
 *
 * `asked`: a session of the same connection. Where its role may, the server tells the program in English what is wrong.
 */
export function programEnvironment(connection: Connection, asked?: LanguageOf): Record<string, string> {
  const parts = partsOf(connection);
  const mode = sslModeOf(parts);
  const roots = rootCertificateFile(parts, mode);
  const password = passwordOf(parts);
  return {
    ...baseEnvironment(),
    ...variablesOf(parts.parameters),
    PGHOST: parts.host,
    PGPORT: String(parts.port),
    PGUSER: parts.user,
    PGDATABASE: parts.database,
    PGSSLMODE: mode,
    PGAPPNAME: "lifeboat",
    PGOPTIONS: programOptions(parts.parameters.options, asked?.choosesLanguage === true),
    PGCONNECT_TIMEOUT: parts.parameters.connect_timeout ?? String(CONNECT_TIMEOUT_S),
    ...(password === undefined ? {} : { PGPASSWORD: password }),
    // Where nothing is verified, a file in the home directory must not have the programs alone do it.
    PGSSLROOTCERT: roots ?? NO_FILE,
  };
}

/** A database name for `--dbname`, in the one form that cannot be mistaken for a connection string. */
export function databaseArgument(name: string): string {
  return `dbname='${name.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** What must never be shown of a connection: for `startChild`'s `secrets`. */
export function secretsOf(connection: Connection): readonly string[] {
  const password = passwordOf(partsOf(connection));
  return password === undefined ? [] : [password, encodeURIComponent(password)];
}
