// The witnesses of the audit log: another storage, or a clone of a git repository.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/load.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Storage } from "../ports/storage.ts";
import type { Witness } from "../ports/witness.ts";
import { baseEnvironment } from "../process/environment.ts";
import { runProgram } from "../process/run.ts";
import { openAddress } from "../storage/address.ts";

const GIT_MS = 60_000;

/** `id`: of the repository whose log it is. */
export function wireWitnesses({ audit, descriptors }: Config, id: string): readonly Witness[] {
  return Object.entries(audit.witnesses).map(([name, { url, git }]) => {
    if (git !== undefined) return gitWitness(name, git, id);
    if (url === undefined) throw new TypeError(`witness ${name} has no place`); // the configuration was checked
    return storageWitness(name, url, id, () => openAddress(url, descriptors.storages, { create: true }));
  });
}

/** A storage of its own: one object a checkpoint, which is never replaced. */
function storageWitness(name: string, where: string, id: string, open: () => Promise<Storage>): Witness {
  const folder = `lifeboat-audit/${id}/`;
  const using = async <T>(act: (storage: Storage) => Promise<T>): Promise<T> => {
    const storage = await open();
    try {
      return await act(storage);
    } finally {
      await storage.close();
    }
  };
  const textOf = async (storage: Storage, object: string): Promise<string> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of storage.get(object, { start: 0, end: 65_535 })) chunks.push(chunk);
    return Buffer.concat(chunks).toString("utf8");
  };
  return {
    name,
    where,
    read: (most, signal) =>
      using(async (storage) => {
        const names: string[] = [];
        for await (const object of storage.list(folder, { signal })) names.push(object.name);
        return Promise.all(names.slice(-most).map((object) => textOf(storage, object)));
      }),
    keep: (size, checkpoint, signal) =>
      using(async (storage) => {
        const object = `${folder}${String(size).padStart(15, "0")}`;
        try {
          await storage.put(object, Buffer.from(checkpoint), { ifAbsent: true, signal });
        } catch (error) {
          if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
          if (rootIn(await textOf(storage, object)) === rootIn(checkpoint)) return;
          throw new LifeboatError("AUDIT_INVALID", `witness ${name} keeps another checkpoint of ${size} entries`);
        }
      }),
  };
}

/** The lines that are equal when two keys signed the same head. */
const rootIn = (checkpoint: string): string => checkpoint.split("\n", 3).join("\n");

/** A clone: each checkpoint is a commit, and is pushed where the clone has an upstream. */
function gitWitness(name: string, directory: string, id: string): Witness {
  const file = `lifeboat-audit-${id}.checkpoint`;
  const git = async (signal: AbortSignal, ...args: readonly string[]): Promise<string> => {
    const own = ["-C", directory, "-c", "core.hooksPath=/dev/null", "-c", "user.name=Lifeboat", "-c", "user.email=lifeboat@localhost"];
    const { status, stdout, end } = await runProgram("git", [...own, ...args], { timeoutMs: GIT_MS, env: baseEnvironment(), signal });
    if (status !== 0) throw new LifeboatError("TOOL_FAILED", `the clone ${directory} cannot be used: ${end}`);
    return stdout;
  };
  const upstream = async (signal: AbortSignal): Promise<boolean> =>
    (
      await git(signal, "for-each-ref", "--format=%(upstream)", await git(signal, "symbolic-ref", "HEAD").then((ref) => ref.trim()))
    ).trim() !== "";
  return {
    name,
    where: directory,
    async read(most, signal) {
      if (await upstream(signal)) await git(signal, "pull", "--quiet", "--ff-only");
      const commits = (await git(signal, "rev-list", `--max-count=${most}`, "--all", "--", file)).split("\n").filter(Boolean);
      const notes = await Promise.all(commits.reverse().map((commit) => git(signal, "show", `${commit}:${file}`).catch(() => "")));
      return notes.filter(Boolean);
    },
    async keep(_, checkpoint, signal) {
      const path = join(directory, file);
      if ((await readFile(path, "utf8").catch(() => "")) !== checkpoint) await writeFile(path, checkpoint);
      await git(signal, "add", "--", file);
      if ((await git(signal, "status", "--porcelain", "--", file)) !== "")
        await git(signal, "commit", "--quiet", "-m", "Checkpoint of the audit log", "--", file);
      if (await upstream(signal)) await git(signal, "push", "--quiet");
    },
  };
}
