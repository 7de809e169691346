// The folder of a demonstration holds all that it makes. A note tells the next demonstration what a killed one left.
import { chmod, lstat, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { lifeOf, type Owner, thisOwner } from "../../repository/owner.ts";
import type { Sandbox } from "../sandbox/load.ts";

const PREFIX = "lifeboat-demo-";
const NOTE = "demonstration.json";

export interface DemoFolder {
  readonly path: string;
  /** Where the server goes; not made here. */
  readonly server: string;
  /** Where the clusters of the provider's sandbox go; not made here. */
  readonly neon: string;
  /** Names this demonstration. */
  readonly id: string;
  /** Keeps it: no later demonstration deletes it. */
  keep(): Promise<void>;
  remove(): Promise<void>;
}

const serverOf = (path: string): string => join(path, "server");

export async function makeDemoFolder(): Promise<DemoFolder> {
  const path = await mkdtemp(join(tmpdir(), PREFIX));
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 5 });
  try {
    await writeFile(join(path, NOTE), `${JSON.stringify(thisOwner())}\n`, { mode: 0o600 });
    await chmod(path, 0o711); // the server runs as another user when we are root: it must pass, but not look
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    path,
    server: serverOf(path),
    neon: join(path, "neon"),
    id: basename(path),
    remove,
    keep: () => rm(join(path, NOTE), { force: true }),
  };
}

/** Deletes the folders of killed demonstrations of this user on this machine. Returns them. */
export async function sweepDemoFolders({ removePostgresSandbox }: Sandbox): Promise<string[]> {
  const swept: string[] = [];
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(tmpdir(), name);
    if (!(await isOrphan(path))) continue;
    await removePostgresSandbox(serverOf(path), name);
    await rm(path, { recursive: true, force: true, maxRetries: 5 });
    swept.push(path);
  }
  return swept;
}

/** A folder of this user, with a note of a process that has certainly ended. */
async function isOrphan(path: string): Promise<boolean> {
  try {
    const facts = await lstat(path);
    if (!facts.isDirectory() || facts.uid !== process.getuid?.()) return false;
    return lifeOf(JSON.parse(await readFile(join(path, NOTE), "utf8")) as Owner) === "dead";
  } catch {
    return false; // kept on request, still being made, or gone by now: not ours to touch
  }
}
