// What everything of one fleet shares: where it lies, whose programs run, as whom, and when it is over.
import { chown } from "node:fs/promises";
import { LifeboatError } from "../../../../src/core/errors.ts";
import { plainLocale } from "../../../../src/engines/postgres/cluster/locale.ts";
import { baseEnvironment } from "../../../../src/process/environment.ts";
import { runProgram } from "../../../../src/process/run.ts";
import type { ServerUser } from "../../../../src/process/server-user.ts";
import type { Certificate } from "./certificate.ts";
import { type Place, writeOwn } from "./place.ts";

export interface Host {
  readonly place: Place;
  /** Where PostgreSQL's programs are. */
  readonly bin: string;
  /** Who runs the servers, when that is not ourselves. */
  readonly user: ServerUser | undefined;
  readonly certificate: Certificate;
  /** Aborts when the fleet ends. */
  readonly signal: AbortSignal;
}

/** The superuser of every server, named as on Neon. It has no password, so no client can log in as it. */
export const SUPERUSER = "cloud_admin";

/** Small, so that a line which wrote little keeps little, and the end of a fork's history is copied quickly. */
export const SEGMENT_BYTES = 1024 * 1024;

/** Over the socket, in its 0700 directory, without a password; over TCP with TLS and a password, and not otherwise. */
const ACCESS = `local all ${SUPERUSER} trust\nhostssl all all all scram-sha-256\n`;

export async function writeAccess({ place, user, certificate }: Host): Promise<void> {
  await writeOwn(`${place.access}/pg_hba.conf`, ACCESS, user);
  await writeOwn(`${place.access}/server.crt`, certificate.certificatePem, user);
  await writeOwn(`${place.access}/server.key`, certificate.keyPem, user);
}

/** Runs a program as the servers' user. SCRATCH_FAILED with what it said, unless it ends with status 0. */
export async function run(host: Host, program: string, args: readonly string[]): Promise<string> {
  const { status, stdout, end } = await runProgram(program, args, {
    ...(host.user ?? {}),
    cwd: host.place.lines,
    env: baseEnvironment(),
    timeoutMs: 120_000,
    signal: host.signal,
    parentDeathSignal: "KILL",
  });
  if (status !== 0) throw new LifeboatError("SCRATCH_FAILED", `a data directory of the sandbox cannot be made: ${end}`);
  return stdout;
}

/** Makes the data directory that every first line begins as. */
export async function makeTemplate(host: Host): Promise<void> {
  const { locale, ctype } = await plainLocale();
  await run(host, `${host.bin}/initdb`, [
    ...["--pgdata", host.place.template, "--username", SUPERUSER, "--auth", "reject", "--encoding", "UTF8", "--no-sync"],
    ...["--locale", locale, "--lc-ctype", ctype, "--wal-segsize", String(SEGMENT_BYTES / 1024 / 1024)],
  ]);
}

/** Gives a file that we wrote to the servers' user. */
export async function own({ user }: Host, path: string): Promise<void> {
  if (user !== undefined) await chown(path, user.uid, user.gid);
}
