import assert from "node:assert/strict";
import { test } from "node:test";
import { EXIT, LifeboatError } from "../core/errors.ts";
import { listOf } from "../core/option.ts";
import { flag, oneOf, text } from "../core/option-types.ts";
import { JobProgress } from "../operations/jobs/events.ts";
import type { CommandEntry } from "./command.ts";
import { type CommandDefinition, defineCommand } from "./command.ts";
import type { Output } from "./output.ts";
import { run } from "./process.ts";

interface Heard {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Case {
  readonly commands?: readonly CommandEntry[];
  readonly env?: Record<string, string>;
  readonly signal?: AbortSignal;
}

async function lifeboat(argv: readonly string[], around: Case = {}): Promise<Heard> {
  const heard = { stdout: "", stderr: "" };
  const output = (name: keyof typeof heard): Output => ({
    write(written) {
      heard[name] += written;
    },
    isTerminal: false,
    columns: 100,
  });
  const exit = await run(argv, {
    stdout: output("stdout"),
    stderr: output("stderr"),
    interactive: false,
    env: around.env ?? {},
    cwd: "/nowhere",
    signal: around.signal ?? new AbortController().signal,
    ...(around.commands === undefined ? {} : { commands: around.commands }),
  });
  return { exit, ...heard };
}

const entry = (name: string, definition: CommandDefinition): CommandEntry => ({
  name,
  group: "Test:",
  summary: `Do ${name}`,
  load: async () => definition,
});

const echo = defineCommand({
  arguments: { source: { type: text, required: true, help: "a source" } },
  options: {
    kind: { type: oneOf(["full", "data"]), default: "full", value: "K", help: "what" },
    tables: { type: listOf(text), value: "A,B", help: "tables" },
    deep: { type: flag, help: "deeply" },
    someName: { type: text, value: "N", env: "SOME_NAME", help: "a name" },
  },
  json: true,
  async run({ args, options, emit }) {
    emit({ ...args, ...options }, () => `${args.source} ${options.kind}`);
    return EXIT.done;
  },
});

const failing = (error: unknown): CommandDefinition =>
  defineCommand({
    arguments: {},
    options: {},
    json: true,
    async run({ events, clock }) {
      new JobProgress(events, clock).step("working");
      throw error;
    },
  });

const echoing = { commands: [entry("echo", echo)] };

test("arguments and options reach the command by the types of its tables", async () => {
  const heard = await lifeboat(["echo", "shop", "--json", "--kind", "data", "--tables", 'a,"odd,name".t', "--tables", "c", "--deep"], {
    ...echoing,
    env: { SOME_NAME: "from the environment" },
  });
  assert.deepEqual(JSON.parse(heard.stdout), {
    source: "shop",
    kind: "data",
    tables: ["a", '"odd,name".t', "c"],
    deep: true,
    someName: "from the environment",
  });
  assert.equal(heard.exit, 0);
  assert.equal((await lifeboat(["echo", "shop"], echoing)).stdout, "shop full\n");
});

const MISUSE: readonly (readonly [argv: readonly string[], said: RegExp])[] = [
  [["ehco"], /unknown command "ehco"; did you mean "echo"\?/],
  [["echo"], /missing required argument "SOURCE"/],
  [["echo", "a", "b"], /too many arguments/],
  [["echo", "a", "--kidn", "full"], /unknown option "--kidn"; did you mean "--kind"\?/],
  [["echo", "a", "--kind"], /option "--kind <K>" argument missing/],
  [["echo", "a", "--kind", "ful"], /--kind must be one of full, data, not "ful"; did you mean "full"\?/],
  [[], /say which command/],
];

for (const [argv, said] of MISUSE) {
  test(`misuse ends with status 2 and a sentence: lifeboat ${argv.join(" ")}`, async () => {
    const heard = await lifeboat(argv, echoing);
    assert.equal(heard.exit, EXIT.usage);
    assert.equal(heard.stdout, "");
    assert.match(heard.stderr, said);
    assert.match(heard.stderr, /error USAGE {2}/);
    assert.match(heard.stderr, /\n {2}next: run `lifeboat/);
  });
}

test("misuse is told as JSON where JSON was asked for, wherever the word stands", async () => {
  const heard = await lifeboat(["echo", "--json", "--wrong"], echoing);
  const { error } = JSON.parse(heard.stderr) as { error: { code: string; exit: number } };
  assert.deepEqual([error.code, error.exit, heard.exit, heard.stdout], ["USAGE", 2, 2, ""]);
});

test("an expected error is one sentence and a next step, without a stack, with the status of its code", async () => {
  const error = new LifeboatError("LEASE_HELD", "shop is being backed up by job 7", { cause: new Error("conditional write refused") });
  const heard = await lifeboat(["fail"], { commands: [entry("fail", failing(error))] });
  assert.equal(heard.exit, EXIT.leaseHeld);
  assert.match(
    heard.stderr,
    /error LEASE_HELD {2}shop is being backed up by job 7\n {2}because: conditional write refused\n {2}next: wait/,
  );
  assert.doesNotMatch(heard.stderr, /at .*\.ts/);
});

test("an unexpected error says that it is a bug, where it happened, and asks to be reported", async () => {
  const heard = await lifeboat(["fail"], { commands: [entry("fail", failing(new TypeError("x is not a function")))] });
  assert.equal(heard.exit, EXIT.bug);
  assert.match(heard.stderr, /error BUG {2}unexpected: x is not a function\n/);
  assert.match(heard.stderr, /process\.test\.ts/);
  assert.match(heard.stderr, /report/);
});

test("no error shows a password or an identity, as text or as JSON, in message, details or cause", async () => {
  const error = new LifeboatError("SOURCE_AUTH", "refused: postgres://app:hunter2@h/x", {
    details: { tried: "postgres://app:hunter2@h/x", key: "AGE-SECRET-KEY-1ABC" },
    cause: new Error("password in postgres://app:hunter2@h/x"),
  });
  for (const argv of [["fail"], ["fail", "--json"]]) {
    const heard = await lifeboat(argv, { commands: [entry("fail", failing(error))] });
    assert.doesNotMatch(heard.stderr, /hunter2|AGE-SECRET-KEY-1/);
    assert.match(heard.stderr, /\*\*\*/);
  }
});

test("after an interrupt the interrupt is what is reported, not what it broke", async () => {
  const signal = AbortSignal.abort(new LifeboatError("CANCELLED", "stopped by SIGINT"));
  const broken = failing(new LifeboatError("DUMP_FAILED", "pg_dump ended by signal SIGTERM"));
  const heard = await lifeboat(["fail"], { commands: [entry("fail", broken)], signal });
  assert.equal(heard.exit, EXIT.cancelled);
  assert.match(heard.stderr, /error CANCELLED {2}stopped by SIGINT\n {2}because: DUMP_FAILED {2}pg_dump ended/);
});

test("a question without a terminal names the option that answers it", async () => {
  const asking = defineCommand({
    arguments: {},
    options: {},
    json: false,
    async run({ ask }) {
      await ask.text({ message: "Where to?", flag: "--url" });
      return EXIT.done;
    },
  });
  const heard = await lifeboat(["ask"], { commands: [entry("ask", asking)] });
  assert.equal(heard.exit, EXIT.usage);
  assert.match(heard.stderr, /next: give --url/);
});

test("--json and --quiet leave standard error to errors", async () => {
  const working = defineCommand({
    arguments: {},
    options: {},
    json: true,
    async run({ events, clock, emit }) {
      const progress = new JobProgress(events, clock);
      progress.step("dump", { totalBytes: 10 });
      progress.advance(10);
      progress.note("a note");
      emit({ done: true }, "done");
      return EXIT.inconclusive;
    },
  });
  const commands = [entry("work", working)];
  assert.deepEqual(await lifeboat(["work", "--json"], { commands }), { exit: 3, stdout: '{"done":true}\n', stderr: "" });
  assert.deepEqual(await lifeboat(["work", "--quiet"], { commands }), { exit: 3, stdout: "done\n", stderr: "" });
  const plain = await lifeboat(["work"], { commands });
  assert.match(plain.stderr, /^dump …\nnote: a note\ndone: dump, 10 B of 10 B \(.*\)\n$/);
});

test("help lists every command and loads none, and the help of one loads that one only", async () => {
  const loaded: string[] = [];
  const watched = (name: string): CommandEntry => ({
    ...entry(name, echo),
    async load() {
      loaded.push(name);
      return echo;
    },
  });
  const commands = [watched("one"), watched("two"), watched("key new"), watched("key show")];
  const help = await lifeboat(["--help"], { commands });
  assert.match(help.stdout, /one +Do one[\s\S]*two +Do two[\s\S]*key/);
  assert.deepEqual([help.exit, loaded], [0, []]);
  assert.match((await lifeboat(["--config", "two", "one", "--help"], { commands })).stdout, /--kind <K> +what \(default full\)/);
  assert.deepEqual(loaded, ["one"]);
  assert.match((await lifeboat(["help", "key", "new"], { commands })).stdout, /^Usage: lifeboat key new/);
});
