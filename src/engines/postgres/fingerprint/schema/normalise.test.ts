import assert from "node:assert/strict";
import { test } from "node:test";
import { normaliseExpression as n } from "./normalise.ts";

test("the rewriting of IN over varchar by a first restore makes no difference", () => {
  const before = "CHECK (((kind)::text = ANY ((ARRAY['a'::character varying, 'b, c'::character varying(9)])::text[])))";
  const after = "CHECK (((kind)::text = ANY (ARRAY[('a'::character varying)::text, ('b, c'::character varying(9))::text])))";
  assert.equal(n(before), n(after));
});

test("the flattening of AND and OR lists by a first restore makes no difference", () => {
  assert.equal(n("(((x >= 1) AND (x <= 2)) AND (y > 0))"), n("((x >= 1) AND (x <= 2) AND (y > 0))"));
  assert.equal(n("((a OR b) OR c)"), n("(a OR b OR c)"));
});

const DIFFERENT: readonly (readonly [string, string, string])[] = [
  ["grouping of different operators", "((a AND b) OR c)", "(a AND (b OR c))"],
  ["grouping of arithmetic", "((a + b) * c)", "(a + (b * c))"],
  ["spaces and case inside of quotes", "'a  b'", "'a b'"],
  ["a quoted name and a plain one", '"User"', "user"],
  ["the type of a cast", "(ARRAY['a'::text])::citext[]", "(ARRAY['a'::text])::varchar[]"],
  ["the order of elements", "ARRAY['a', 'b']", "ARRAY['b', 'a']"],
  ["a word AND inside of quotes", "('x' AND 'y AND z')", "('x AND y' AND 'z')"],
];
for (const [what, a, b] of DIFFERENT) {
  test(`${what} stays a difference`, () => assert.notEqual(n(a), n(b)));
}

test("unbalanced text is kept, not dropped", () => {
  assert.notEqual(n("((a"), n("((b"));
  assert.notEqual(n("a)) b"), n("a)) c"));
});

test("R32 a view of one relation is the same with and without the relation's name before columns", () => {
  const same = (a: string, b: string): boolean => n(a) === n(b);
  assert.ok(
    same(
      "SELECT users.id, lower(users.name) AS n FROM app.users WHERE (users.id > 1);",
      "SELECT id, lower(name) AS n FROM app.users WHERE (id > 1);",
    ),
  );
  assert.ok(same("SELECT u.id FROM app.users u ORDER BY u.id;", "SELECT id FROM app.users u ORDER BY id;"));
  assert.ok(!same("SELECT users.id FROM app.users;", "SELECT users.id FROM public.users;"));
  assert.ok(!same("SELECT a.id FROM (app.a JOIN app.b ON (a.id = b.id));", "SELECT b.id FROM (app.a JOIN app.b ON (a.id = b.id));"));
});
