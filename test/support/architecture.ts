// The rules of the house, checked over a set of files: who may import whom, no cycles, a pure core, no file too long.
import { posix } from "node:path";
import { parseSync } from "oxc-parser";

/** Content by path from the root of the checkout, as `src/core/names.ts`. */
export type Files = ReadonlyMap<string, string>;

const ADAPTER = ["core", "ports"];
const EVERYTHING_BELOW = [
  "core",
  "ports",
  "seal",
  "repository",
  "operations",
  "process",
  "engines",
  "providers",
  "storage",
  "notify",
  "cutover",
  "queue",
  "config",
];

/** What each part may import besides itself. A part is a folder of `src` or `packages`, or a file directly in one. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ports: ["core"],
  seal: ["core", "ports"],
  repository: ["core", "ports", "seal"],
  operations: ["core", "ports", "seal", "repository"],
  process: ["core"],
  engines: [...ADAPTER, "process"],
  providers: [...ADAPTER, "process", "engines"],
  storage: ADAPTER,
  notify: ADAPTER,
  cutover: [...ADAPTER, "process"],
  queue: [...ADAPTER, "engines/postgres"],
  config: ["core", "ports", "descriptors.ts"],
  sandbox: ["core", "ports", "process", "engines/postgres"],
  "descriptors.ts": ["ports", "providers", "storage", "notify", "queue", "cutover"],
  compose: EVERYTHING_BELOW,
  "compose.ts": [...EVERYTHING_BELOW, "compose"],
  "system-clock.ts": ["ports"],
  "version.ts": [],
  "lifeboat.ts": ["core", "ports", "operations", "config", "compose.ts", "system-clock.ts", "version.ts"],
  "index.ts": [...EVERYTHING_BELOW, "lifeboat.ts", "system-clock.ts"],
  cli: [
    ...["descriptors.ts", "core", "ports", "seal", "repository", "operations", "config", "compose.ts", "system-clock.ts", "version.ts"],
    "server",
  ],
  server: ["core", "ports", "seal", "repository", "operations", "config", "compose.ts"],
  web: [],
  "bin.ts": ["cli"],
};

/** Parts whose folders are siblings and never import each other; files directly in the part are shared. */
const SIBLINGS: readonly string[] = ["engines", "providers", "storage", "notify", "cutover", "queue"];

/** What providers share. */
const SHARED = "providers/http";

/** The package of the emulators. The published package does not contain it: what the command line needs of it, it loads when it is asked to. */
const SANDBOX = "@lifeboat/sandbox";

/** Where no provider and no storage is named. The demonstration and the sandbox are about two of them. */
const NAMELESS = /^src\/(config|core|operations|cli|compose|compose\.ts)(?!\/(demo|sandbox|commands\/sandbox\.ts))/;
const ADAPTERS = ["neon", "atlas", "s3"];

/** Packages that core may use: pure, without clock or input. */
const CORE_PACKAGES: readonly string[] = ["croner"];
const MAX_LINES = 300;

type Node = { readonly type: string; readonly start: number } & Readonly<Record<string, unknown>>;

/** Every violation as `path:line: sentence`. Tests are exempt, except from length. */
export function violations(files: Files): string[] {
  const graph = new Map<string, string[]>();
  const found: string[] = [];
  for (const [path, text] of files) {
    const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
    if (lines > MAX_LINES) found.push(`${path}:${MAX_LINES}: ${lines} lines; one over ${MAX_LINES} is two files`);
    if (/\.test\.ts$/.test(path)) continue;
    const parsed = parseSync(path, text);
    if (parsed.errors.length > 0) {
      found.push(`${path}:1: cannot be parsed: ${parsed.errors[0]?.message}`);
      continue;
    }
    const targets: string[] = [];
    walk(parsed.program as unknown as Node, (node) => {
      const complain = (message: string): void => {
        found.push(`${path}:${text.slice(0, node.start).split("\n").length}: ${message}`);
      };
      const specifier = specifierOf(node);
      if (specifier === null) complain("an import whose name is computed cannot be checked");
      else if (specifier !== undefined) {
        if (specifier.startsWith(".")) targets.push(posix.join(posix.dirname(path), specifier));
        const wrong = importFault(path, specifier);
        if (wrong !== undefined) complain(wrong);
        if (specifier === SANDBOX && loadsAtOnce(node)) complain("the sandbox is loaded only when a command asks for it");
      }
      if (partOf(path) === "core") for (const wrong of impurities(node)) complain(`core must be pure: ${wrong}`);
      if (decidesByProvider(node)) complain("behaviour differs by capability, never by a provider's name");
      const name = NAMELESS.test(path) ? adapterNamed(node) : undefined;
      if (name !== undefined) complain(`it names ${name}: what one provider or storage needs is in its own folder`);
    });
    graph.set(path, targets);
  }
  return [...found, ...cycles(graph)];
}

const partOf = (path: string): string => path.split("/")[1] ?? "";
const folderOf = (path: string): string => path.split("/").slice(1, 3).join("/");

function importFault(path: string, specifier: string): string | undefined {
  const part = partOf(path);
  if (specifier === SANDBOX) {
    return part === "cli" ? undefined : `${part} must not import the sandbox`;
  }
  if (!specifier.startsWith(".")) {
    if (part !== "core") return undefined;
    if (specifier.startsWith("node:")) return `core must be pure: it imports ${specifier}`;
    return CORE_PACKAGES.includes(specifier) ? undefined : `core must be pure: it imports the package ${specifier}`;
  }
  const target = posix.join(posix.dirname(path), specifier);
  if (!/^(src|packages)\//.test(target)) return `${target} is outside of src`;
  if (/\.test\.ts$/.test(target)) return `${target} is a test`;
  if (path.startsWith("src/") && target.startsWith("packages/")) return `${target} is reached by its package's name`;
  const targetPart = partOf(target);
  if (targetPart === part) {
    const [own, other] = [folderOf(path), folderOf(target)];
    const bothInside = path.split("/").length > 3 && target.split("/").length > 3;
    return SIBLINGS.includes(part) && bothInside && own !== other && other !== SHARED
      ? `siblings never import each other: ${own} imports ${other}`
      : undefined;
  }
  const allowed = MAY_IMPORT[part];
  if (allowed === undefined) return `no rule says what src/${part} may import`;
  const fits = allowed.some((may) => (may.includes("/") ? folderOf(target) === may : targetPart === may));
  return fits ? undefined : `${part} must not import ${targetPart} (${target})`;
}

/** The module a node names; null when it names one that cannot be read off; undefined when it names none. */
function specifierOf(node: Node): string | null | undefined {
  const literal = (value: unknown): string | null => {
    const inner = value as Node | null | undefined;
    if (inner?.type === "TSLiteralType") return literal(inner.literal);
    return inner?.type === "Literal" && typeof inner.value === "string" ? inner.value : null;
  };
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return literal(node.source ?? node.argument);
    case "ExportNamedDeclaration":
      return node.source ? literal(node.source) : undefined;
    case "TSExternalModuleReference":
      return literal(node.expression);
    case "CallExpression": {
      const callee = node.callee as Node;
      const required = callee.type === "Identifier" && callee.name === "require";
      const resolved = callee.type === "MemberExpression" && (callee.object as Node).name === "require";
      return required || resolved ? literal((node.arguments as Node[])[0]) : undefined;
    }
    default:
      return undefined;
  }
}

/** Whether the import's module is loaded together with the importing one; types and `import()` are not. */
function loadsAtOnce({ type, importKind, exportKind }: Node): boolean {
  return (
    (type.startsWith("Import") && type !== "ImportExpression" && importKind !== "type") ||
    (type.startsWith("Export") && exportKind !== "type")
  );
}

const CLOCKS: Readonly<Record<string, readonly string[]>> = {
  Date: ["now"],
  Math: ["random"],
  performance: ["now", "timeOrigin"],
  crypto: ["randomUUID", "getRandomValues"],
};
const GLOBALS = ["process", "setTimeout", "setInterval", "setImmediate", "fetch", "console"];

function impurities(node: Node): string[] {
  const identifier = (value: unknown): string => ((value as Node | null)?.type === "Identifier" ? String((value as Node).name) : "");
  switch (node.type) {
    case "MemberExpression": {
      const object = identifier(node.object);
      const property = identifier(node.property) || String((node.property as Node).value ?? "");
      if (Object.hasOwn(CLOCKS, object) && CLOCKS[object]?.includes(property)) return [`${object}.${property}`];
      return GLOBALS.includes(object) || object === "globalThis" ? [object] : [];
    }
    case "VariableDeclarator":
      return Object.hasOwn(CLOCKS, identifier(node.init)) ? [`another name for ${identifier(node.init)}`] : [];
    case "NewExpression":
      return identifier(node.callee) === "Date" && (node.arguments as unknown[]).length === 0 ? ["new Date()"] : [];
    case "CallExpression": {
      const callee = identifier(node.callee);
      return callee === "Date" || GLOBALS.includes(callee) ? [`${callee}()`] : [];
    }
    default:
      return [];
  }
}

/** The provider or storage that an identifier, a property or a string is named after. */
function adapterNamed(node: Node): string | undefined {
  const text = node.type === "Identifier" ? node.name : node.type === "Literal" ? node.value : undefined;
  return typeof text === "string" ? ADAPTERS.find((name) => new RegExp(`^${name}$|^${name}[-:/]`, "i").test(text)) : undefined;
}

/** `switch (source.provider)`, `provider === "neon"`. */
function decidesByProvider(node: Node): boolean {
  const isProvider = (value: unknown): boolean => {
    const inner = value as Node;
    if (inner.type === "Identifier") return /^provider(Name|Kind|Type)?$/.test(String(inner.name));
    if (inner.type !== "MemberExpression") return false;
    const property = String((inner.property as Node).name);
    return property === "provider" || (property === "name" && isProvider(inner.object));
  };
  if (node.type === "SwitchStatement") return isProvider(node.discriminant);
  if (node.type !== "BinaryExpression" || !["===", "!==", "==", "!="].includes(String(node.operator))) return false;
  const sides = [node.left as Node, node.right as Node];
  return sides.some(isProvider) && sides.some((side) => side.type === "Literal" && typeof side.value === "string");
}

function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === "object" && child !== null && typeof (child as Node).type === "string") walk(child as Node, visit);
    }
  }
}

/** Each cycle once, as `a → b → a`; type imports count. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      found.push(`${path}:1: a cycle of imports: ${[...trail.slice(start), path].join(" → ")}`);
      return;
    }
    if (done.has(path)) return;
    for (const target of graph.get(path) ?? []) if (graph.has(target)) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}
