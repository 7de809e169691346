// Simple projections over typed documents, so that values keep their types; anything else is computed by mingo.
import type { Document } from "bson";
import { projectOne } from "./mingo.ts";
import { isPlain, promoteDocument, toNumber } from "./values.ts";

const isFlag = (value: unknown): boolean =>
  typeof value === "boolean" || (!isPlain(value) && !Array.isArray(value) && !Number.isNaN(toNumber(value)));
const isOn = (value: unknown): boolean => (typeof value === "boolean" ? value : toNumber(value) !== 0);

type Tree = Map<string, Tree | true>;

function treeOf(paths: readonly string[]): Tree {
  const root: Tree = new Map();
  for (const path of paths) {
    const parts = path.split(".");
    let node = root;
    for (const [index, part] of parts.entries()) {
      const known = node.get(part);
      if (known === true) break;
      if (index === parts.length - 1) node.set(part, true);
      else {
        const next: Tree = known ?? new Map();
        node.set(part, next);
        node = next;
      }
    }
  }
  return root;
}

function include(value: unknown, tree: Tree): unknown {
  if (Array.isArray(value)) return value.filter((each) => isPlain(each) || Array.isArray(each)).map((each) => include(each, tree));
  if (!isPlain(value)) return undefined;
  const kept: Document = {};
  for (const [name, each] of Object.entries(value)) {
    const below = tree.get(name);
    if (below === undefined) continue;
    const part = below === true ? each : include(each, below);
    if (part !== undefined || below === true) kept[name] = part;
  }
  return kept;
}

function exclude(value: unknown, tree: Tree): unknown {
  if (Array.isArray(value)) return value.map((each) => exclude(each, tree));
  if (!isPlain(value)) return value;
  const kept: Document = {};
  for (const [name, each] of Object.entries(value)) {
    const below = tree.get(name);
    if (below === true) continue;
    kept[name] = below === undefined ? each : exclude(each, below);
  }
  return kept;
}

/** What makes of a typed document its projection. */
export function compileProjection(projection: Document): (document: Document) => Document {
  const entries = Object.entries(projection);
  if (!entries.every(([name, value]) => isFlag(value) && !name.includes("$"))) {
    const plain = promoteDocument(projection);
    return (document) => projectOne(promoteDocument(document), plain);
  }
  const fields = entries.filter(([name]) => name !== "_id");
  const idOn = projection._id === undefined || isOn(projection._id);
  const including = fields.length > 0 ? isOn(fields[0]?.[1]) : isOn(projection._id ?? 0);
  const names = fields.map(([name]) => name);
  if (including) {
    const tree = treeOf(idOn ? ["_id", ...names] : names);
    return (document) => include(document, tree) as Document;
  }
  const tree = treeOf(idOn ? names : ["_id", ...names]);
  return (document) => exclude(document, tree) as Document;
}
