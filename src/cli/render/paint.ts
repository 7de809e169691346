// Colours, where they are wanted. Text never depends on them.
import type { Verdict } from "../../core/verdict.ts";

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const;
type Style = keyof typeof CODES;

export type Paint = { readonly [S in Style]: (text: string) => string } & {
  readonly coloured: boolean;
  /** `✓ pass`, `✗ fail`, `? inconclusive`: the word is always there. */
  verdict(verdict: Verdict): string;
};

/** Whether escapes may be written: NO_COLOR forbids, FORCE_COLOR demands, else a terminal that is not dumb. */
export function wantsColour(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== "0" && env.FORCE_COLOR !== "false";
  return isTerminal && env.TERM !== "dumb";
}

export function makePaint(coloured: boolean): Paint {
  const style =
    (name: Style) =>
    (text: string): string =>
      coloured && text !== "" ? `\x1b[${CODES[name][0]}m${text}\x1b[${CODES[name][1]}m` : text;
  const [bold, dim, red, green, yellow, cyan] = (["bold", "dim", "red", "green", "yellow", "cyan"] as const).map(style) as [
    Paint["bold"],
    Paint["dim"],
    Paint["red"],
    Paint["green"],
    Paint["yellow"],
    Paint["cyan"],
  ];
  return {
    coloured,
    bold,
    dim,
    red,
    green,
    yellow,
    cyan,
    verdict: (verdict) => ({ pass: green("✓ pass"), fail: red("✗ fail"), inconclusive: yellow("? inconclusive") })[verdict],
  };
}
