// Names and words that others chose, on their way to a terminal, a report and JSON.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

const skip = skipWithoutPostgres();

/** Clears the screen, sets the title, reverses the text, and begins a line that looks like the program's own. */
const HOSTILE = "x\x1b[2J\x1b]0;owned\x07\u009b31m\u202e\r\n✓ pass  forged\t|\n## forged <b>y</b>";
const CONTROL = /[\p{Cc}\u202e]/u;

test("R56 hostile names and words drive no terminal and forge no line, in every command that shows them", { skip }, async (t) => {
  const source = await freshDatabase();
  const table = `"${HOSTILE.slice(0, 40)}"`;
  await query(
    source,
    `create table public.${table} (id int primary key); insert into public.${table} select generate_series(1, 3);
     create function public.boom() returns int language plpgsql as $f$ begin raise exception '${HOSTILE}'; end $f$`,
  );
  const world = await beginWorld(t, { sources: { shop: source }, source: "checks: [{ sql: 'select public.boom() = 1', name: asks }]" });
  const told: string[] = [];
  const tell = async (...args: readonly string[]) => {
    const ran = await world.run(...args);
    told.push(`${args.join(" ")}\n${ran.stdout}${ran.stderr}`);
    for (const line of `${ran.stdout}${ran.stderr}`.split("\n")) {
      assert.doesNotMatch(line, CONTROL, `lifeboat ${args[0]}: ${JSON.stringify(line)}`);
      assert.doesNotMatch(line, /^\s*(✓ pass {2}forged|## forged)/, `lifeboat ${args[0]}`);
    }
    return ran;
  };
  const note = HOSTILE.replaceAll("\0", "");
  assert.equal((await tell("backup", "shop", "--name", "b1", "--reason", note, "--note", note)).exit, 0);
  await tell("hold", "b1", "--reason", note);
  await tell("list");
  await tell("show", "b1", "--contents");
  assert.equal((await tell("drill", "shop")).exit, 3);
  await tell("status");
  await tell("jobs");
  await tell("verify", "b1");
  await tell("expire", "--plan");
  await tell("restore", "shop", "--to", note, "--into", "shop_new");
  await tell("restore", "shop", "--into", note, "--plan");
  await tell("show", note);
  const all = told.join("\n");
  assert.ok(all.includes("\\x1b[2J") && all.includes("\\n✓ pass  forged"), "what was escaped can be seen");

  for (const args of [["list"], ["show", "b1", "--contents"], ["status"], ["jobs"]]) {
    const { stdout, json } = await world.run(...args, "--json");
    assert.doesNotMatch(stdout.trimEnd(), CONTROL, args.join(" "));
    if (args[0] === "list") assert.equal(json().points[0].reason, note, "JSON is exact");
    if (args[0] === "show") assert.ok(json().contents.some(({ name }: { name: string }) => name === HOSTILE.slice(0, 40)));
  }
  const drilled = (await world.expect(3, "drill", "--json")).json().drills[0];
  const report = readFileSync(join(world.repository, drilled.evidence.replace("evidence.json", "report.md")), "utf8");
  assert.match(report, /forged/);
  for (const line of report.split("\n")) {
    assert.doesNotMatch(line, CONTROL);
    assert.doesNotMatch(line, /^(✓|## forged)|<b>/);
  }
  await world.assertNothingLeft();
});
