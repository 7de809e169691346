// What belongs to the database itself: settings, also those of roles in it, and who may connect. The archive holds them as statements for
// the database of its own name; each is taken apart and made anew for the one that is loaded.
import type { Omission } from "../../../core/fingerprint.ts";
import type { TocEntry } from "../archive/contents.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { partsOf } from "../connect/url.ts";
import { statementsOf } from "./statement.ts";

const NAME = `"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*`;
/** As the server reads it: in a constant without E a backslash is a letter like any other. */
const VALUE = `(?:E'(?:[^'\\\\]|''|\\\\.)*'|'(?:[^']|'')*'|[A-Za-z0-9_.+-]+)`;
const SETTING = new RegExp(
  `^ALTER (?:DATABASE (?:${NAME})|ROLE (${NAME}) IN DATABASE (?:${NAME})) SET ((?:${NAME})(?:\\.(?:${NAME}))*) TO (${VALUE}(?:, ${VALUE})*)$`,
  "s",
);
const LIMIT = new RegExp(`^ALTER DATABASE (?:${NAME}) (?:WITH )?CONNECTION LIMIT (?:= )?(\\d+)$`);
const PRIVILEGE = new RegExp(
  `^(GRANT|REVOKE) ((?:ALL|CREATE|CONNECT|TEMPORARY|TEMP|,)+) ON DATABASE (?:${NAME}) (TO|FROM) (${NAME})( WITH GRANT OPTION)?$`,
);

/** Libraries are loaded and roles taken by every session; and a copy that cannot be written to cannot be restored into. */
const NOT_TAKEN = /^(role|session_authorization|default_transaction_read_only|.*preload_libraries)$/;

const NOT_FOR_COPY = "it is not for a copy: set it by hand, if it is meant to hold there";
/** Whether it was left out on purpose, not refused by the server. */
export const isNotForCopy = ({ reason }: Omission): boolean => reason === NOT_FOR_COPY;

/** `ordinary`: of `ordinarySettings`. */
export const isForCopy = (setting: string, ordinary: (name: string) => boolean): boolean =>
  ordinary(setting) && !NOT_TAKEN.test(setting.toLowerCase());

interface Property {
  readonly kind: "database setting" | "role setting" | "database privileges" | "connection limit";
  /** As a fingerprint names it. */
  readonly object: string;
  /** Undefined: not for a copy. */
  readonly statement: string | undefined;
}

/** Gives what could not be restored, with the reason. Everything else is there afterwards. */
export async function restoreProperties(client: Client, all: readonly TocEntry[]): Promise<Omission[]> {
  const { database } = partsOf(client.connection);
  const ordinary = await ordinarySettings(client);
  const left: Omission[] = [];
  for (const { kind, object, statement } of propertiesIn(all, database, ordinary)) {
    if (statement === undefined) left.push({ kind, object, reason: NOT_FOR_COPY });
    else {
      const reason = await failureOf(client, statement);
      if (reason !== undefined) left.push({ kind, object, reason });
    }
  }
  return left;
}

/** Roles that these entries name, beside those of objects. */
export const rolesOfProperties = (all: readonly TocEntry[]): string[] =>
  statements(all).flatMap((text) => {
    const role = SETTING.exec(text)?.[1] ?? PRIVILEGE.exec(text)?.[4];
    return role === undefined || role === "PUBLIC" ? [] : [plain(role)];
  });

/** The path on which sessions of the archive's database find names without a schema. */
export function pathOf(all: readonly TocEntry[]): string[] {
  const values = statements(all).flatMap((text) => {
    const [, role, name = "", value = ""] = SETTING.exec(text) ?? [];
    return role === undefined && plain(name) === "search_path" ? [value] : [];
  });
  const names = values.at(-1)?.match(new RegExp(VALUE, "g")) ?? ["$user", "public"];
  return names.map((name) => name.replace(/^E?'|'$/g, "").replaceAll("''", "'")).filter((name) => name !== "");
}

function propertiesIn(all: readonly TocEntry[], database: string, ordinary: (name: string) => boolean): Property[] {
  const found = statements(all).flatMap((text): Property[] => {
    const [, role, name = "", value = ""] = SETTING.exec(text) ?? [];
    if (name !== "") {
      const takes = isForCopy(plain(name), ordinary);
      const whose = role === undefined ? `database ${quote(database)}` : `role ${role} in database ${quote(database)}`;
      const statement = takes ? `alter ${whose} set ${name} to ${value}` : undefined;
      return [
        {
          kind: role === undefined ? "database setting" : "role setting",
          object: role === undefined ? plain(name) : `${role} ${plain(name)}`,
          statement,
        },
      ];
    }
    const limit = LIMIT.exec(text)?.[1];
    if (limit !== undefined)
      return [{ kind: "connection limit", object: limit, statement: `alter database ${quote(database)} connection limit ${limit}` }];
    const [, verb, privileges, word, grantee = "", grantable = ""] = PRIVILEGE.exec(text) ?? [];
    if (verb === undefined) return [];
    return [
      {
        kind: "database privileges",
        object: grantee,
        statement: `${verb} ${privileges} on database ${quote(database)} ${word} ${grantee}${grantable}`,
      },
    ];
  });
  // Who owned the database had every privilege by that, and the copy may have another owner.
  const owner = all.find(({ kind }) => kind === "DATABASE")?.owner ?? "";
  if (owner === "" || !found.some(({ kind }) => kind === "database privileges")) return found;
  return [
    ...found,
    { kind: "database privileges", object: owner, statement: `grant all on database ${quote(database)} to ${quote(owner)}` },
  ];
}

const statements = (all: readonly TocEntry[]): string[] =>
  all
    .filter(({ kind, name }) => kind === "DATABASE PROPERTIES" || (kind === "ACL" && name.startsWith("DATABASE ")))
    .flatMap(({ definition }) => statementsOf(definition));

const plain = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);

/** Settings that any user may change: what takes a superuser was not meant for a copy. Names with a dot belong to no server. */
export async function ordinarySettings(client: Client): Promise<(name: string) => boolean> {
  const rows = await client.query<{ name: string; ordinary: boolean }>(
    "select pg_catalog.lower(name) as name, context = 'user' as ordinary from pg_catalog.pg_settings",
  );
  const known = new Map(rows.map(({ name, ordinary }) => [name, ordinary]));
  return (name) => known.get(name.toLowerCase()) ?? name.includes(".");
}

async function failureOf(client: Client, statement: string): Promise<string | undefined> {
  try {
    await client.query(statement);
    return undefined;
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}
