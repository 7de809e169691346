import assert from "node:assert/strict";
import { test } from "node:test";
import { runsCode } from "./planning.ts";

const CONST = "{CONST :consttype 23 :constlen 4 :constisnull false :location 1 :constvalue 4 [ 1 0 0 0 0 0 0 0 ]}";
const NULL = "{CONST :consttype 23 :constlen 4 :constisnull true :location 1 :constvalue <>}";
const VAR = "{VAR :varno 1 :varattno 2 :vartype 25 :location 579}";
const call = (id: number, ...args: string[]): string => `{FUNCEXPR :funcid ${id} :funcresulttype 16 :args (${args.join(" ")}) :location 4}`;
const MINE = 16_397;
const OTHER = 16_398;
const LOWER = 870;
const plain = [{ oid: MINE, unfolds: false }];

const CASES: readonly (readonly [what: string, tree: string, runs: boolean])[] = [
  ["of a constant", ` ${call(MINE, CONST)}`, true],
  ["of nothing", ` ${call(MINE)}`, true],
  ["of a column", `(${call(MINE, VAR)}) `, false],
  ["of a column and a constant", `(${call(MINE, CONST, VAR)})`, false],
  ["of a column cast to another type", `(${call(MINE, `{RELABELTYPE :arg ${VAR} :resulttype 25}`)})`, false],
  ["of the server's own function of a column", `(${call(MINE, call(LOWER, VAR))})`, false],
  ["of a strict function that is given a null", `(${call(MINE, call(LOWER, VAR, NULL))})`, true],
  ["of what may be computed without the column", `(${call(MINE, `{COALESCE :coalescetype 23 :args (${CONST} ${VAR})}`)})`, true],
  ["of another user's function of a column", `(${call(MINE, call(OTHER, VAR))})`, true],
  ["deep inside, of a constant", `(${call(LOWER, `{BOOLEXPR :boolop and :args (${call(LOWER, VAR)} ${call(MINE, CONST)})}`)})`, true],
  ["once of a column and once of a constant", `(${call(MINE, VAR)} ${call(MINE, CONST)})`, true],
  ["that is named in another way", `(${call(LOWER, VAR)})`, true],
  ["in a text with brackets of its own", `(${call(MINE, VAR)} {X :name \\{FUNCEXPR\\ :funcid\\ 9\\}})`, false],
];

for (const [what, tree, runs] of CASES) {
  test(`R57 a call ${what} is ${runs ? "" : "not "}run by planning`, () => assert.equal(runsCode(tree, plain), runs));
}

test("R57 an SQL function that names others and an operator are run with any arguments", () => {
  assert.equal(runsCode(`(${call(MINE, VAR)})`, [{ oid: MINE, unfolds: true }]), true);
});
