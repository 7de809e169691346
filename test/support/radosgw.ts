// Ceph's S3 gateway as an independent judge: a monitor and an in-memory object store of the smallest kind, and a gateway
// in front, as ordinary processes on loopback in a temporary directory. No service manager, no configuration in /etc.
//
// Debian packages: radosgw (the gateway), ceph-mon and ceph-osd (which it requires); they depend on ceph-common.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { accessSync, constants, openSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const START_MS = 90_000;
const PROGRAMS = ["radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool"];

export interface Radosgw {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

/** Why it cannot run here, or undefined. */
export function radosgwMissing(): string | undefined {
  const folders = (process.env.PATH ?? "").split(":");
  const missing = PROGRAMS.find((program) => !folders.some((folder) => isExecutable(join(folder, program))));
  return missing === undefined
    ? undefined
    : `radosgw cannot run here: ${missing} is not installed (apt-get install radosgw ceph-mon ceph-osd)`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export async function startRadosgw(): Promise<Radosgw> {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-radosgw-"));
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL"); // nothing in it is worth an orderly end
      await once(child, "exit");
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const [monitorPort, gatewayPort] = await freePorts(2);
    const cluster = randomUUID();
    const conf = join(directory, "ceph.conf");
    const keyring = join(directory, "keyring");
    for (const folder of ["mon", "osd", "rgw"]) await mkdir(join(directory, folder));
    await writeFile(conf, configuration(directory, cluster, monitorPort ?? 0, gatewayPort ?? 0));
    const program = async (name: string, ...args: string[]): Promise<void> => {
      await run(name, args, { timeout: START_MS, env: { ...process.env, CEPH_CONF: conf } });
    };
    const daemon = (name: string, ...args: string[]): void => {
      const log = openSync(join(directory, `${name}.out`), "a");
      children.push(spawn(name, ["-c", conf, "-f", ...args], { stdio: ["ignore", log, log] }));
    };

    const caps = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"];
    await program("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", ...caps);
    for (const who of ["client.admin", "client.rgw"]) await program("ceph-authtool", keyring, "--gen-key", "-n", who, ...caps);
    await program("ceph-authtool", keyring, "--gen-key", "-n", "osd.0", "--cap", "mon", "allow profile osd", "--cap", "osd", "allow *");
    const map = join(directory, "monmap");
    const address = `[v2:127.0.0.1:${monitorPort}/0]`;
    await program("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, "--set-min-mon-release", "16", map);
    await program("ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", map, "--keyring", keyring);
    daemon("ceph-mon", "-i", "a");
    await program("ceph", "-c", conf, "--connect-timeout", "60", "osd", "new", cluster);
    await program("ceph-osd", "-c", conf, "--mkfs", "-i", "0", "--osd-uuid", cluster);
    daemon("ceph-osd", "-i", "0");
    const accessKeyId = "JUDGE";
    const secretAccessKey = randomBytes(20).toString("hex");
    const keys = ["--access-key", accessKeyId, "--secret-key", secretAccessKey]; // valid for this scratch server only
    await program("radosgw-admin", "-c", conf, "user", "create", "--uid=judge", "--display-name=judge", ...keys);
    daemon("radosgw", "-n", "client.rgw");
    const endpoint = `http://127.0.0.1:${gatewayPort}`;
    await answering(endpoint, children);
    return { endpoint, accessKeyId, secretAccessKey, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function configuration(directory: string, cluster: string, monitorPort: number, gatewayPort: number): string {
  return `[global]
fsid = ${cluster}
mon host = [v2:127.0.0.1:${monitorPort}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = ${directory}/keyring
log file = ${directory}/$name.log
admin socket = ${directory}/$name.asok
pid file = ${directory}/$name.pid
run dir = ${directory}
crash dir = ${directory}/crash
mon data = ${directory}/mon
mon data avail warn = 1
mon data avail crit = 1
mon allow pool size one = true
osd data = ${directory}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd class load list = *
osd class default list = *
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pgp num = 2
osd pool default pg autoscale mode = off
rgw data = ${directory}/rgw
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw thread pool size = 32
rgw multipart min part size = 1048576
`;
}

/** Ports that were free a moment ago; the daemons take no port number 0. */
async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  for (let left = count; left > 0; left--) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function answering(endpoint: string, children: readonly ChildProcess[]): Promise<void> {
  for (const until = Date.now() + START_MS; Date.now() < until; await sleep(100)) {
    if (children.some((child) => child.exitCode !== null)) throw new Error("a daemon of the gateway ended while starting");
    const answer = await fetch(endpoint, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
    await answer?.arrayBuffer();
    if (answer?.ok) return;
  }
  throw new Error(`the gateway did not answer within ${START_MS / 1000} s`);
}
