// dist/, from nothing: what the published package runs. One bundle, split where the sources load something on demand:
// a command starts in less than half the time that its few hundred modules take one by one.
// `tools/build.ts FOLDER` builds the program alone into FOLDER/dist, without the declarations of the library.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [folder] = process.argv.slice(2);
const outdir = join(folder ?? root, "dist");

/** Files that the program starts by their path: as processes, or as threads. They lie where the sources have them. */
const STARTED = [
  "src/engines/postgres/cluster/supervisor",
  "src/engines/postgres/recovery/unpack-thread",
  "src/providers/mongodb/server/supervisor",
];
/**
 * The driver's own insides are asked for raw commands: it must be the one package that the whole program has.
 * The sandbox is not part of the product: only a checkout has it.
 */
const EXTERNAL = ["mongodb", "bson", "pg-native", "@lifeboat/sandbox"];

/** A chunk is at the root of dist: what a source file looks up from its own place is looked up from there. */
const placeOfSources: Plugin = {
  name: "place of sources",
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]src[/\\].*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      if (!text.includes("import.meta.url")) return undefined;
      const place = placeIn(relative(root, path).replaceAll("\\", "/").replace(/\.ts$/, ".js"));
      return {
        loader: "ts",
        contents: text.replaceAll("import.meta.url", `new URL(${JSON.stringify(`./${place}`)}, import.meta.url).href`),
      };
    });
  },
};

rmSync(outdir, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: [
    { in: "src/bin.ts", out: "bin" },
    { in: "src/index.ts", out: "index" },
    ...STARTED.map((path) => ({ in: `${path}.ts`, out: placeIn(path) })),
  ],
  outdir,
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node24",
  external: EXTERNAL,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  plugins: [placeOfSources],
  banner: { js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);' },
});
writeFileSync(join(outdir, "licenses.txt"), licences(Object.keys(metafile.inputs)));
chmodSync(join(outdir, "bin.js"), 0o755);
if (folder !== undefined) copyFileSync(join(root, "package.json"), join(folder, "package.json"));
else {
  const tsc = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
    cwd: root,
    stdio: "inherit",
  });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}

/** The place of a source file in dist. */
function placeIn(path: string): string {
  return path.replace(/^src\//, "");
}

/** The licences of the packages that are part of the bundle, each once. Fails for a package that declares none; not every one brings the text. */
function licences(inputs: readonly string[]): string {
  const packages = new Set(inputs.flatMap((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []));
  return [...packages]
    .sort()
    .map((path) => {
      const { name, version, license } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"));
      const texts = globSync("{LICENSE,LICENCE,license,licence}*", { cwd: join(root, path) }).map((file) =>
        readFileSync(join(root, path, file), "utf8").trim(),
      );
      if (typeof license !== "string") throw new Error(`${name} ${version} declares no licence, and may not be part of the bundle`);
      return [`${name} ${version}: ${license}`, ...texts].join("\n\n");
    })
    .join(`\n\n${"-".repeat(80)}\n\n`);
}
