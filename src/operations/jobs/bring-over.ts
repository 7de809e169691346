// Brings into the repository what jobs filed on this machine while it could not be written: evidence, journals, marks.
import { asLifeboatError } from "../../core/errors.ts";
import type { Marks } from "../../core/restore-point.ts";
import { evidenceSchema } from "../../repository/evidence.ts";
import { jobSchema } from "../../repository/journal.ts";
import { mark, readMarks } from "../../repository/marks.ts";
import { readAll } from "../../repository/read-all.ts";
import type { Repository } from "../../repository/repository.ts";
import { getSigned, objectOfSignature } from "../../repository/signed.ts";
import type { Context } from "../context.ts";

export interface BroughtOver {
  /** Name of the object. */
  readonly name: string;
  /** Why it is still on this machine; undefined: it is in the repository. */
  readonly left?: string | undefined;
}

const EVIDENCE = /^evidence\/[^/]+\/[^/]+\/evidence\.json$/;
const JOURNAL = /^jobs\/.+\.json$/;
const MARKS = /^sources\/([^/]+)\/marks\/([^/]+)\.json$/;

/** Brings only what a trusted key signed: what a machine without a writer key filed stays on it. */
export async function bringOver({ repository, aside }: Context): Promise<BroughtOver[]> {
  const place = await aside?.find();
  if (place === undefined) return [];
  const names: string[] = [];
  for await (const { name } of place.storage.list("")) names.push(name);
  const done: BroughtOver[] = [];
  await readAll(
    names.filter((name) => EVIDENCE.test(name) || JOURNAL.test(name) || MARKS.test(name)),
    async (name) => {
      const left = await bring(repository, place, name, names).catch((error: unknown) => asLifeboatError(error).message);
      if (left !== "running") done.push({ name, left });
    },
  );
  return done.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Why it stays; undefined: it is in the repository, and no longer here. */
async function bring(repository: Repository, place: Repository, name: string, names: readonly string[]): Promise<string | undefined> {
  const trusted = { ...place, trust: repository.trust };
  const [, source = "", id = ""] = MARKS.exec(name) ?? [];
  if (source !== "") {
    await mark(repository, source, id, newer(await readMarks(trusted, source, id), await readMarks(repository, source, id)));
    await remove(place, withSignatures(name, names));
    return undefined;
  }
  const read = EVIDENCE.test(name)
    ? await getSigned(trusted, "evidence", name, evidenceSchema)
    : await getSigned(trusted, "job", name, jobSchema);
  if (read === undefined) return undefined;
  if ("state" in read.value && read.value.state === "running") return "running"; // the clean-up decides by its lease
  if (read.signedBy === undefined) return "it was signed by this machine alone, which had no writer key";
  const folder = EVIDENCE.test(name) ? names.filter((other) => other.startsWith(name.slice(0, -"evidence.json".length))) : [];
  const all = [...new Set([...folder, ...withSignatures(name, names)])].filter((other) => other !== name);
  for (const object of [...all, name]) await repository.storage.put(object, place.storage.get(object)); // the JSON last
  await remove(place, [name, ...all]);
  return undefined;
}

const withSignatures = (name: string, names: readonly string[]): string[] =>
  names.filter((other) => other === name || objectOfSignature(other) === name);

async function remove(place: Repository, names: readonly string[]): Promise<void> {
  for (const name of names) await place.storage.delete(name);
}

/** Merges findings only: a hold is never filed on this machine. */
function newer(found: Marks, known: Marks): Marks {
  const later = (key: "verifiedAt" | "damagedAt"): Marks =>
    found[key] !== undefined && (known[key] === undefined || known[key] < found[key]) ? { [key]: found[key] } : {};
  return { ...later("verifiedAt"), ...later("damagedAt") };
}
