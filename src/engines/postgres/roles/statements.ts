// A description of roles as SQL: statements that a restore runs one by one, and the script beside the backup that people run with psql.
// Every name and value is quoted, and no comment holds one.
import { quoteName as quote, quoteText } from "../connect/quote.ts";
import { ATTRIBUTES, type Attribute, type Membership, type Role, type Roles } from "./description.ts";

/** Settings whose value is a list of names, each quoted for itself (GUC_LIST_QUOTE in the server's source). */
const LISTS = new Set([
  ...["local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries"],
  ...["temp_tablespaces", "unix_socket_directories"],
]);
const SETTING_NAME = /^[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)*$/;
const LIST_ITEM = /\s*("(?:[^"]|"")*"|[^",\s]+)\s*(,|$)/y;

/** What the server stores of a password; a statement with anything else would make it the password itself. */
const HASH = /^(?:SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+|md5[0-9a-f]{32})$/;

/** `set NAME to VALUE`; undefined for what no server can have stored. */
export function setClause({ name, value }: Role["settings"][number]): string | undefined {
  if (!SETTING_NAME.test(name)) return undefined;
  const values = LISTS.has(name.toLowerCase()) ? listItems(value) : [value];
  if (values === undefined) return undefined;
  return `SET ${name.split(".").map(quote).join(".")} TO ${values.length === 0 ? "''" : values.map((one) => quoteText(one).trim()).join(", ")}`;
}

function listItems(value: string): string[] | undefined {
  const items: string[] = [];
  LIST_ITEM.lastIndex = 0;
  for (let at = 0; at < value.length; at = LIST_ITEM.lastIndex) {
    const item = LIST_ITEM.exec(value)?.[1];
    if (item === undefined) return undefined;
    items.push(item.startsWith('"') ? item.slice(1, -1).replaceAll('""', '"') : item);
  }
  return items;
}

const WORDS: Readonly<Record<Attribute, string>> = {
  superuser: "SUPERUSER",
  inherit: "INHERIT",
  createrole: "CREATEROLE",
  createdb: "CREATEDB",
  login: "LOGIN",
  replication: "REPLICATION",
  bypassrls: "BYPASSRLS",
};
export const attributeWord = (attribute: Attribute): string => WORDS[attribute];

/** Returns attributes and limits as options of ALTER ROLE, one each; only where they differ from a new role's. */
export function optionsOf({ attributes, connectionLimit, validUntil }: Role, superuser: boolean): string[] {
  const own = ATTRIBUTES.filter((one) => one !== "inherit" && attributes.includes(one) && (superuser || one !== "superuser"));
  return [
    ...own.map((one) => WORDS[one]),
    ...(attributes.includes("inherit") ? [] : ["NOINHERIT"]),
    ...(connectionLimit === -1 ? [] : [`CONNECTION LIMIT ${connectionLimit}`]),
    ...(validUntil === undefined ? [] : [`VALID UNTIL ${quoteText(validUntil).trim()}`]),
  ];
}

/** `PASSWORD '…'`, where the description holds what the server stored of it. */
export const passwordOption = ({ passwordHash }: Role): string | undefined =>
  passwordHash !== undefined && HASH.test(passwordHash) ? `PASSWORD ${quoteText(passwordHash).trim()}` : undefined;

/** `options`: for a server that knows more than WITH ADMIN OPTION (16 and newer). */
export function grantStatement({ role, member, admin, inherit, set }: Membership, options: boolean): string {
  const named = [
    `ADMIN ${word(admin)}`,
    ...(inherit === undefined ? [] : [`INHERIT ${word(inherit)}`]),
    ...(set === undefined ? [] : [`SET ${word(set)}`]),
  ];
  const more = options && inherit !== undefined ? ` WITH ${named.join(", ")}` : admin ? " WITH ADMIN OPTION" : "";
  return `GRANT ${quote(role)} TO ${quote(member)}${more}`;
}

const word = (yes: boolean): string => (yes ? "TRUE" : "FALSE");

/** How a role that is missing is created by hand, settings and memberships included; passwords are not shown. */
export function createStatements(role: Role, { memberships }: Roles): string {
  const options = optionsOf(role, false);
  return [
    `CREATE ROLE ${quote(role.name)}${options.length === 0 ? "" : ` WITH ${options.join(" ")}`}`,
    ...role.settings.flatMap((setting) => alterStatement(`ROLE ${quote(role.name)}`, setting)),
    ...memberships.filter(({ member }) => member === role.name).map((one) => grantStatement(one, false)),
  ]
    .map((statement) => `${statement};`)
    .join(" ");
}

function alterStatement(object: string, setting: Role["settings"][number]): string[] {
  const clause = setClause(setting);
  return clause === undefined ? [] : [`ALTER ${object} ${clause}`];
}

const HEAD = `-- Roles of a PostgreSQL database, and settings of the database itself. Written by Lifeboat for use without Lifeboat.
-- Run it before pg_restore, connected to the new database, as a user who may create roles:
--   psql --dbname=NEW_DATABASE --file=roles.sql
-- A role that exists already gives an error; psql continues. Delete the lines about roles that shall stay as they are.
-- Superusers are created as ordinary roles. Passwords are here only if the backup was made with them.
`;

/** The script. psql puts the name of the connected database in place of :"DBNAME". */
export function scriptOf(roles: Roles): string {
  const { database } = roles;
  const sixteen = roles.serverVersion >= 160_000;
  const here = 'DATABASE :"DBNAME"';
  const lines = [
    ...roles.roles.map((role) => {
      const options = [...optionsOf(role, false), passwordOption(role)].filter((one) => one !== undefined);
      return `CREATE ROLE ${quote(role.name)}${options.length === 0 ? "" : ` WITH ${options.join(" ")}`}`;
    }),
    ...roles.roles.flatMap((role) => role.settings.flatMap((setting) => alterStatement(`ROLE ${quote(role.name)}`, setting))),
    ...roles.memberships.map((one) => grantStatement(one, sixteen && (one.set === false || one.inherit === false))),
    `ALTER ${here} OWNER TO ${quote(database.owner)}`,
    ...(database.connectionLimit === -1 ? [] : [`ALTER ${here} CONNECTION LIMIT ${Math.max(-1, Math.trunc(database.connectionLimit))}`]),
    ...database.settings.flatMap((setting) => alterStatement(here, setting)),
    ...roles.roles.flatMap((role) =>
      role.settingsInDatabase.flatMap((setting) => alterStatement(`ROLE ${quote(role.name)} IN ${here}`, setting)),
    ),
    `REVOKE ALL ON ${here} FROM PUBLIC`,
    ...database.privileges.map(
      ({ grantee, everyone, privilege, grantable }) =>
        `GRANT ${privilege} ON ${here} TO ${everyone ? "PUBLIC" : quote(grantee)}${grantable && !everyone ? " WITH GRANT OPTION" : ""}`,
    ),
  ];
  return `${HEAD}${lines.map((line) => `${line};\n`).join("")}`;
}
