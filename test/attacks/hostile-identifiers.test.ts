// Names that break out of quotes, lines and comments where they are put into SQL, arguments or patterns by hand: in source and target.
import assert from "node:assert/strict";
import { test } from "node:test";
import { quoteText, quoteName as sql } from "../../src/engines/postgres/connect/quote.ts";
import { connectionFromParts, partsOf, withDatabase } from "../../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { copyableCluster } from "../support/base-world.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

/** At most 63 bytes. Quotes of each kind, a backslash, a wildcard, a statement, a comment, a line's end, a control and a bidi character. */
const hostile = (kind: string): string => `${kind}"'\\*.$a$;drop table canary;--\n\t\u0001\u202eü%`;

test("R57 R52 hostile names of databases, roles and objects stay names, in source and target", {
  skip,
}, async (t) => {
  const cluster = await copyableCluster(t);
  const admin = cluster.connection("postgres");
  const names = Object.fromEntries(
    ["db", "s", "t", "c", "r", "p", "q", "i", "f", "e", "v", "k", "pol", "trg", "new"].map((kind) => [kind, hostile(kind)]),
  ) as Record<string, string>;
  const n = (kind: string): string => sql(names[kind] ?? "");
  for (const name of Object.values(names)) assert.ok(Buffer.byteLength(name) <= 63, name);
  await query(admin, `create role ${n("r")} login superuser password ${quoteText(hostile("password"))}`);
  await freshDatabase(names.db, cluster);
  const shop = connectionFromParts({
    ...partsOf(cluster.connection(names.db ?? "")),
    user: names.r ?? "",
    password: hostile("password"),
  });
  await query(
    shop,
    `create table public.canary (id int); insert into public.canary values (1);
     create schema ${n("s")} authorization ${n("r")}; create type ${n("s")}.${n("e")} as enum (${quoteText(hostile("label"))});
     create function ${n("s")}.${n("f")}() returns trigger language plpgsql as 'begin return new; end';
     create sequence ${n("s")}.${n("q")};
     create table ${n("s")}.${n("t")} (${n("c")} int constraint ${n("k")} check (${n("c")} > 0), e ${n("s")}.${n("e")} default ${quoteText(hostile("label"))});
     create index ${n("i")} on ${n("s")}.${n("t")} (${n("c")}); create view ${n("s")}.${n("v")} as select * from ${n("s")}.${n("t")};
     create trigger ${n("trg")} before insert on ${n("s")}.${n("t")} for each row execute function ${n("s")}.${n("f")}();
     create policy ${n("pol")} on ${n("s")}.${n("t")} to ${n("r")} using (true); create publication ${n("p")} for table ${n("s")}.${n("t")};
     comment on table ${n("s")}.${n("t")} is ${quoteText(hostile("comment"))}; grant select on ${n("s")}.${n("t")} to ${n("r")};
     insert into ${n("s")}.${n("t")} select generate_series(1, 50); select pg_catalog.nextval(${quoteText(`${n("s")}.${n("q")}`)})`,
  );
  const table = `${n("s")}.${n("t")}`;
  const probe = JSON.stringify({ table, rows: { min: 50 }, indexes: { min: 1 } });
  const world = await beginWorld(t, { sources: { shop }, source: `checks: [${probe}]` });
  await world.run("check", "shop");
  for (const kind of ["full", "schema", "data"]) await world.expect(0, "backup", "shop", "--kind", kind);
  const chosen = (await world.expect(0, "backup", "shop", "--tables", table, "--json")).json().made[0].id;
  await world.expect(0, "backup", "shop", "--kind", "base");
  const full = (await world.expect(0, "backup", "shop", "--json")).json().made[0].id;
  const drilled = (await world.expect(0, "drill", "shop", "--to", full, "--json")).json().drills[0];
  assert.ok(drilled.checks.some(({ name }: { name: string }) => name.startsWith("row count of")));
  await world.expect(0, "status");
  await world.expect(0, "restore", "shop", "--to", full, "--into", names.new ?? "");
  const copy = withDatabase(shop, names.new ?? "");
  const differing = async (): Promise<readonly string[]> => {
    const engine = openPostgresEngine();
    const [expected, actual] = [await engine.fingerprint(shop, { kind: "full" }), await engine.fingerprint(copy, { kind: "full" })];
    return engine.compare(expected, actual).flatMap(({ outcome, name }) => (outcome === "pass" ? [] : [name]));
  };
  assert.deepEqual(await differing(), []);
  await query(admin, `alter database ${n("new")} set search_path to ${n("s")}, public`);
  await world.expect(0, "restore", "shop", "--to", full, "--into", names.new ?? "", "--replace", "--yes", "shop");
  assert.deepEqual(await differing(), []);
  await query(copy, `drop table ${table} cascade`);
  await world.expect(0, "restore", "shop", "--to", chosen, "--into", names.new ?? "", "--tables", table, "--replace", "--yes", "shop");
  assert.deepEqual(await query(copy, `select count(*)::int as n from ${table}`), [{ n: 50 }]);
  for (const place of [shop, copy]) assert.deepEqual(await query(place, "select id from public.canary"), [{ id: 1 }]);
});

test("R52 a name with a character that no server takes is refused before a statement is made of it", () => {
  assert.throws(() => sql("a\0b"), { code: "NAME_INVALID" });
  assert.throws(() => quoteText("a\0b"), { code: "NAME_INVALID" });
  assert.equal(sql('a"b\n'), '"a""b\n"');
  assert.equal(quoteText("it's \\"), " E'it''s \\\\'");
});
