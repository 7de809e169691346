// What zod found, as problems with places: which option, what is wrong, the nearest valid word.
import type * as z from "zod";
import { Mismatch, type Option, type Shape, variableOf } from "../core/option.ts";
import { didYouMean } from "../core/suggest.ts";
import { nameOf, type Problem, problemAt, type SourceText } from "./position.ts";
import type { Path, Tree } from "./tree.ts";

type Issue = z.core.$ZodIssue;
type Env = Readonly<Record<string, string | undefined>>;

export function explain(issues: readonly Issue[], root: Shape, tree: Tree, source: SourceText, env: Env): Problem[] {
  // One wrong provider makes every option of the source wrong: only the provider is worth a word.
  const providers = issues.filter((issue) => issue.path.length === 3 && issue.path[0] === "sources" && issue.path[2] === "provider");
  const worth = issues.filter(
    (issue) =>
      providers.includes(issue) || !providers.some((provider) => issue.path[0] === "sources" && issue.path[1] === provider.path[1]),
  );
  // With an option misspelt, rules over several options only say that it is missing.
  const misspelt = new Set(worth.flatMap((issue) => (issue.code === "unrecognized_keys" ? [nameOf(issue.path)] : [])));
  const first = worth.filter((issue) => !(isRule(issue) && misspelt.has(nameOf(issue.path))));
  return first.flatMap((issue) => explainOne(issue, root, tree, source, env));
}

function explainOne(issue: Issue, root: Shape, tree: Tree, source: SourceText, env: Env): Problem[] {
  const { path } = issue;
  const at = (where: Path, part: "key" | "value", message: string): Problem => problemAt(source, tree.offsetOf(where, part), message);
  const { shape, option } = shapeAt(root, path);

  if (issue.code === "unrecognized_keys") {
    const known = shape?.shape === "section" ? Object.keys(shape.table) : [];
    return issue.keys.map((key) => at([...path, key], "key", `${title(path)} has no option "${key}"${didYouMean(key, known)}`));
  }
  const mismatch = "params" in issue && issue.params?.mismatch instanceof Mismatch ? issue.params.mismatch : undefined;
  if (isAbsent(tree, path)) {
    const variable = option && variableOf(option, recordAt(tree, path.slice(0, -1)));
    if (mismatch !== undefined && variable !== undefined && env[variable]) {
      return [at(path.slice(0, -1), "key", `${variable}, which gives ${nameOf(path)}, ${mismatch.message}`)];
    }
    return [
      at(
        path.slice(0, -1),
        "key",
        `${title(path.slice(0, -1))} lacks "${String(path.at(-1))}"${option?.example === undefined ? "" : `, as ${String(path.at(-1))}: ${option.example}`}`,
      ),
    ];
  }
  // Of the section as a whole it is told at its name; of one of its options, at what that says.
  if (isRule(issue)) return [at(path, shape?.shape === "section" ? "key" : "value", `${title(path)}: ${issue.message}`)];
  if (mismatch !== undefined) return [at(path, "value", `${nameOf(path)} ${mismatch.message}`)];
  return [at(path, "value", `${title(path)} must be a ${shape?.word ?? "different value"}`)];
}

const isRule = (issue: Issue): boolean => "params" in issue && issue.params?.rule === true;

const title = (path: Path): string => (path.length === 0 ? "the configuration" : nameOf(path));

const isAbsent = (tree: Tree, path: Path): boolean => valueAt(tree, path) === undefined;

function valueAt(tree: Tree, path: Path): unknown {
  let value: unknown = tree.value;
  for (const step of path) value = typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[step] : undefined;
  return value;
}

function recordAt(tree: Tree, path: Path): Readonly<Record<string, unknown>> {
  const value = valueAt(tree, path);
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function shapeAt(root: Shape, path: Path): { readonly shape?: Shape | undefined; readonly option?: Option | undefined } {
  let shape: Shape | undefined = root;
  let option: Option | undefined;
  for (const step of path) {
    if (shape?.shape === "section") {
      option = shape.table[String(step)];
      shape = option?.type;
    } else if (shape?.shape === "named" || shape?.shape === "list") shape = shape.item;
    else return {};
  }
  return { shape, option };
}
