// Each place where an application reads its connection string, against a service on loopback that judges requests as the real one does.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import { makeCutOver as makeCommand } from "../../src/cutover/command/command.ts";
import { makeCutOver as makeCoolify } from "../../src/cutover/coolify/coolify.ts";
import { makeCutOver as makeFile } from "../../src/cutover/environment-file/environment-file.ts";
import { makeCutOver as makeFly } from "../../src/cutover/fly/fly.ts";
import { makeCutOver as makeRailway } from "../../src/cutover/railway/railway.ts";
import { makeCutOver as makeRender } from "../../src/cutover/render/render.ts";
import { makeCutOver as makeVercel } from "../../src/cutover/vercel/vercel.ts";
import { makeCutOver as makeWebhook } from "../../src/cutover/webhook/webhook.ts";
import type { CutOver, CutOverTimeouts, CutOverWiring } from "../../src/ports/cutover.ts";
import { systemClock } from "../../src/system-clock.ts";
import {
  beginCoolify,
  beginRailway,
  beginRender,
  beginVercel,
  beginWebhook,
  RAILWAY,
  type Service,
  TOKEN,
  VARIABLE,
  WEBHOOK_SECRET,
} from "../support/cutover/peers.ts";
import { secret } from "../support/notify/peer.ts";
import { temporaryDirectory } from "../support/repository.ts";

const QUICK: CutOverTimeouts = { requestMs: 2_000, pauseMs: 1, attempts: 3, pollMs: 1, deployMs: 5_000 };
const BEFORE = "postgres://app:hunter2secret@db.example.com/shop?sslmode=require";
const AFTER = "postgres://app:hunter2secret@db.example.com/shop_new?sslmode=require";

const wiringOf = <O>(options: O): CutOverWiring<O> => ({ name: "web", variable: VARIABLE, options, clock: systemClock, timeouts: QUICK });

interface Ready {
  readonly service: Service;
  readonly cutOver: CutOver;
  readonly failed: string;
}

const SERVICES: Readonly<Record<string, (t: TestContext) => Promise<Ready>>> = {
  async coolify(t) {
    const service = await beginCoolify(t, BEFORE);
    const options = { url: service.origin, application: service.application, token: secret(TOKEN), restart: false };
    return { service, cutOver: makeCoolify(wiringOf(options)), failed: "cancelled-by-user" };
  },
  async render(t) {
    const service = await beginRender(t, BEFORE);
    const options = { service: service.service, token: secret(TOKEN), api: service.origin };
    return { service, cutOver: makeRender(wiringOf(options)), failed: "pre_deploy_failed" };
  },
  async vercel(t) {
    const service = await beginVercel(t, BEFORE);
    const options = { project: "shop", team: "team_1", token: secret(TOKEN), api: service.origin };
    return { service, cutOver: makeVercel(wiringOf(options)), failed: "ERROR" };
  },
  async railway(t) {
    const service = await beginRailway(t, BEFORE);
    return { service, cutOver: makeRailway(wiringOf({ ...RAILWAY, token: secret(TOKEN), api: service.origin })), failed: "CRASHED" };
  },
  async webhook(t) {
    const service = await beginWebhook(t, BEFORE);
    return { service, cutOver: makeWebhook(wiringOf({ url: secret(service.url), secret: secret(WEBHOOK_SECRET) })), failed: "" };
  },
};

async function refusalOf(work: Promise<unknown> | undefined): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await work;
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  return assert.fail("nothing was refused");
}

for (const [kind, begin] of Object.entries(SERVICES)) {
  test(`R43 ${kind}: reads the present value, sets another, deploys it and awaits the end`, async (t) => {
    const { service, cutOver, failed } = await begin(t);
    const { value: _, ...rest } = service.variable();
    assert.deepEqual(await cutOver.read(), { value: BEFORE });
    service.faults.push({ status: 503 });
    await cutOver.set(AFTER);
    assert.deepEqual(service.variable(), { ...rest, value: AFTER }, "every other property is as it was");
    assert.deepEqual(service.deployed, [], "nothing is deployed before it is asked for");
    await cutOver.deploy?.();
    assert.deepEqual(service.deployed, [AFTER], "one deployment, with the new value");

    if (failed !== "") {
      service.endings.push(failed);
      const { code, message } = await refusalOf(cutOver.deploy?.());
      assert.equal(code, "CUTOVER_REFUSED");
      assert.match(message, new RegExp(`^cut-over "web": the deployment ended as "${failed}"$`));
    }
    for (const act of [() => cutOver.set(AFTER), () => cutOver.deploy?.()]) {
      service.faults.push({
        status: 403,
        body: JSON.stringify({ message: `no: ${kind === "webhook" ? WEBHOOK_SECRET : TOKEN} ${AFTER} hunter2secret` }),
      });
      const refused = await refusalOf(act());
      assert.equal(refused.code, "CUTOVER_REFUSED");
      assert.doesNotMatch(refused.message, /hunter2|tok_0123|whsec_/, "no secret is in a message");
    }
    service.faults.push("drop", "drop", "drop");
    assert.equal((await refusalOf(cutOver.read())).code, "CUTOVER_FAILED");
  });
}

test("R43 coolify: an old version deploys by GET, a token without read:sensitive hides the value, restart", async (t) => {
  const old = await beginCoolify(t, BEFORE, { old: true, hidden: true });
  const options = { url: `${old.origin}/`, application: old.application, token: secret(TOKEN), restart: false };
  const cutOver = makeCoolify(wiringOf(options));
  assert.deepEqual(await cutOver.read(), { value: undefined });
  await cutOver.deploy?.();
  assert.equal(old.deployed.length, 1);
  await makeCoolify(wiringOf({ ...options, restart: true })).deploy?.();
  assert.equal(old.received.at(-2)?.url.pathname, `/api/v1/applications/${old.application}/restart`);
  const other = makeCoolify({ ...wiringOf(options), variable: "MISSING" });
  assert.match((await refusalOf(other.read())).message, /the application has no variable MISSING/);
});

test("R43 vercel: a sensitive variable is not readable", async (t) => {
  const service = await beginVercel(t, BEFORE, "sensitive");
  const cutOver = makeVercel(wiringOf({ project: "shop", team: "team_1", token: secret(TOKEN), api: service.origin }));
  assert.deepEqual(await cutOver.read(), { value: undefined });
});

test("R43 environment file: one line changes; comments, order, quotes, mode and a link stay", async (t) => {
  const directory = await temporaryDirectory(t);
  const [real, file] = [join(directory, "real.env"), join(directory, "link.env")];
  writeFileSync(real, `# shop\nexport PORT=80\r\n  export ${VARIABLE}='${BEFORE}'  \nX="a b"\n`);
  chmodSync(real, 0o640);
  symlinkSync(real, file);
  const mark = join(directory, "restarted");
  const cutOver = makeFile(wiringOf({ file, restart: ["/usr/bin/touch", mark], pass: [] }));
  assert.deepEqual(await cutOver.read(), { value: BEFORE });
  await cutOver.set(AFTER);
  assert.equal(readFileSync(file, "utf8"), `# shop\nexport PORT=80\r\n  export ${VARIABLE}='${AFTER}'  \nX="a b"\n`);
  assert.equal(statSync(real).mode & 0o777, 0o640);
  assert.ok(!existsSync(mark));
  await cutOver.deploy?.();
  assert.ok(existsSync(mark));

  for (const [line, value] of [
    [`${VARIABLE}=${BEFORE.replace("?", "\\?")}`, undefined],
    [`${VARIABLE}="$HOST/shop"`, undefined],
    [`${VARIABLE}=postgres://a/b`, "postgres://a/b"],
    [`${VARIABLE} = "postgres://a/b"`, "postgres://a/b"],
  ] as const) {
    writeFileSync(real, `${line}\n`);
    if (value === undefined) assert.equal((await refusalOf(cutOver.read())).code, "CUTOVER_REFUSED", line);
    else assert.deepEqual(await cutOver.read(), { value }, line);
  }
  await cutOver.set("postgres://a/b?x=1&y=2");
  assert.match(readFileSync(real, "utf8"), /= "postgres:\/\/a\/b\?x=1&y=2"/);
  const failing = makeFile(wiringOf({ file, restart: ["/bin/sh", "-c", "echo cannot: hunter2secret >&2; exit 3"], pass: [] }));
  await failing.set(AFTER);
  const { message } = await refusalOf(failing.deploy?.());
  assert.match(message, /sh ended with status 3: cannot: /);
  assert.doesNotMatch(message, /hunter2/);
});

test("R43 command and fly: the value goes through standard input, never through an argument", async (t) => {
  const directory = await temporaryDirectory(t);
  const [store, seen, fly] = [join(directory, "store"), join(directory, "seen"), join(directory, "fly")];
  writeFileSync(store, `${BEFORE}\n`);
  const set = ["/bin/sh", "-c", `printf '%s' "$CUTOVER_VARIABLE $0 $*" > ${seen}; cat > ${store}`];
  const cutOver = makeCommand(wiringOf({ read: ["/bin/cat", store], set, pass: [] }));
  assert.deepEqual(await cutOver.read(), { value: BEFORE });
  assert.equal(cutOver.deploy, undefined);
  await cutOver.set(AFTER);
  assert.equal(readFileSync(store, "utf8"), AFTER);
  assert.equal(readFileSync(seen, "utf8").trim(), `${VARIABLE} /bin/sh`);

  // A program that takes what Fly's takes.
  writeFileSync(
    fly,
    `#!/bin/sh
[ "$FLY_API_TOKEN" = "${TOKEN}" ] || { echo "no access token available" >&2; exit 1; }
echo "$*" >> ${seen}
case "$1 $2" in
  "secrets list") echo '[{"name":"${VARIABLE}","digest":"abc"}]' ;;
  "secrets import") cat > ${store} ;;
  "secrets deploy") ;;
  *) exit 2 ;;
esac
`,
    { mode: 0o755 },
  );
  writeFileSync(seen, "");
  const atFly = makeFly(wiringOf({ app: "shop", token: secret(TOKEN), program: fly }));
  assert.deepEqual(await atFly.read(), { value: undefined });
  await atFly.set(AFTER);
  await atFly.deploy?.();
  assert.equal(readFileSync(store, "utf8"), `${VARIABLE}="${AFTER}"\n`);
  assert.equal(
    readFileSync(seen, "utf8"),
    "secrets list --json --app shop\nsecrets import --stage --app shop\nsecrets deploy --app shop\n",
  );
});
