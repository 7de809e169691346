// Foreign keys of the rows that a merge has changed, as they are before it is committed. The server's own checks may be off in this session.
import { LifeboatError } from "../../../core/errors.ts";
import type { Client } from "../connect/client.ts";
import { type ForeignKey, isGiven, refers, wholeOf } from "./foreign-keys.ts";
import { keyOfStage, type Work } from "./stage.ts";
import { fromOf, keyColumns, type Table, textOf } from "./tables.ts";

const NAMED = 3;

interface Reference {
  readonly key: ForeignKey;
  readonly child: Table;
  readonly parent: Table;
  /** Of the change set: the tables that have or are parts of these. */
  readonly childWork: Work | undefined;
  readonly parentWork: Work | undefined;
}

function references(works: readonly Work[], tables: readonly Table[], keys: readonly ForeignKey[]): Reference[] {
  return keys.flatMap((key) => {
    const [child, parent] = [tables.find(({ oid }) => oid === key.child), tables.find(({ oid }) => oid === key.parent)];
    if (child === undefined || parent === undefined) return [];
    const workOf = (oid: number): Work | undefined => works.find(({ table }) => table.name === wholeOf(tables, oid)?.name);
    const found = { key, child, parent, childWork: workOf(key.child), parentWork: workOf(key.parent) };
    return found.childWork === undefined && found.parentWork === undefined ? [] : [found];
  });
}

/** Row `l` of the locked ones as the referred row. */
const referredBefore = ({ key, child }: Reference, { columns }: Work): string =>
  key.columns
    .map(({ child: name, parent, equal }) => {
      const place = columns.findIndex((column) => column.name === parent);
      return `l.o${place} ${equal} f.${child.columns.find((column) => column.name === name)?.quoted}`;
    })
    .join(" and ");

/** Throws LOAD_FAILED, naming rows that would refer to no row. */
export async function assertReferences(
  client: Client,
  works: readonly Work[],
  tables: readonly Table[],
  keys: readonly ForeignKey[],
): Promise<void> {
  const found: string[] = [];
  for (const reference of references(works, tables, keys)) {
    const { key, child, parent, childWork, parentWork } = reference;
    const dangling = `${isGiven(key, child)} and not exists (select from ${fromOf(parent)} p where ${refers(key, child, parent)})`;
    if (childWork !== undefined) {
      const written = `${fromOf(child)} f join ${childWork.work} w on w.want is not null and ${keyOfStage(childWork, "f", "w")}`;
      // No other session can delete what was looked at until this transaction has ended.
      await client.query(
        `select pg_catalog.count(*) from (select from ${fromOf(parent)} p where exists (select from ${written} where ${refers(key, child, parent)}) for key share of p) locked`,
      );
      found.push(...(await described(client, reference, `${written} where ${dangling}`)));
    }
    if (parentWork !== undefined) {
      const gone = `${parentWork.locked} l join ${parentWork.work} w on w.n = l.n join ${fromOf(child)} f on ${referredBefore(reference, parentWork)}`;
      found.push(...(await described(client, reference, `${gone} where ${dangling}`)));
    }
  }
  const [first] = found;
  if (first === undefined) return;
  throw new LifeboatError("LOAD_FAILED", `${first}: nothing was changed`, {
    details: { violations: found },
    hint: "merge the tables named together, or leave out --no-follow and --delete-extra",
  });
}

async function described(client: Client, { key, child, parent }: Reference, from: string): Promise<string[]> {
  const columns = child.key.length > 0 ? keyColumns(child) : child.columns.slice(0, 1);
  const text = columns.map((column) => textOf(column, "f")).join(", ");
  const rows = await client.query<{ key: string; n: string }>(
    `select pg_catalog.concat_ws(', ', ${text}) as key, pg_catalog.count(*) over ()::pg_catalog.text as n from ${from} limit ${NAMED}`,
  );
  const [first] = rows;
  if (first === undefined) return [];
  const more = Number(first.n) > rows.length ? ", …" : "";
  return [
    `${first.n} rows of ${child.name} would refer to no row of ${parent.name} (${key.name}): ${rows.map((row) => row.key).join("; ")}${more}`,
  ];
}

/** Where the server carries out `on delete cascade`, rows that no plan named would go: refused. */
export async function assertNoCascade(
  client: Client,
  works: readonly Work[],
  tables: readonly Table[],
  keys: readonly ForeignKey[],
  mayReplicate: boolean,
): Promise<void> {
  if (mayReplicate) return;
  for (const reference of references(works, tables, keys)) {
    const { key, child, parent, childWork, parentWork } = reference;
    if (key.onDelete === "refuse" || parentWork === undefined) continue;
    const named =
      childWork === undefined
        ? ""
        : ` and not exists (select from ${childWork.work} c where c.want is null and ${keyOfStage(childWork, "f", "c")})`;
    const gone = `${parentWork.locked} l join ${parentWork.work} w on w.n = l.n and w.want is null join ${fromOf(child)} f on ${referredBefore(reference, parentWork)}`;
    const [first] = await described(client, reference, `${gone} where true${named}`);
    if (first === undefined) continue;
    throw new LifeboatError("LOAD_FAILED", `deleting rows of ${parent.name} would change others: ${first}`, {
      hint: "connect as a superuser, or leave out --delete-extra",
    });
  }
}
