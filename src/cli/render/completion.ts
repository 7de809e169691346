// Scripts that complete commands and options, from the tables of the commands.
import { type CommandDefinition, kebab } from "../command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;

export interface CompletionEntry {
  /** As typed: `key new`. */
  readonly name: string;
  readonly summary: string;
  readonly definition: CommandDefinition;
}

export function renderCompletion(shell: (typeof SHELLS)[number], entries: readonly CompletionEntry[]): string {
  if (shell === "fish") return renderFish(entries);
  return shell === "bash" ? renderBash(casesOf(entries)) : renderZsh(casesOf(entries));
}

const GLOBAL = ["--config", "--job", "--quiet", "--help"];
const optionsOf = ({ options, json }: CommandDefinition): string[] => [
  ...Object.keys(options).map((key) => `--${kebab(key)}`),
  ...(json ? ["--json"] : []),
  ...GLOBAL,
];

/** Lines of a shell's `case` over the first two words; the longer names come first. */
function casesOf(entries: readonly CompletionEntry[]): string {
  const firsts = [...new Set(entries.map(({ name }) => name.split(" ")[0] ?? ""))];
  const below = (first: string): string[] =>
    entries.flatMap(({ name }) => (name.startsWith(`${first} `) ? [name.slice(first.length + 1)] : []));
  const own = (first: string): string[] => entries.filter(({ name }) => name === first).flatMap(({ definition }) => optionsOf(definition));
  const lines: (readonly [string, readonly string[]])[] = [
    ['" "', [...firsts, "help", "--version", ...GLOBAL]],
    ...entries.filter(({ name }) => name.includes(" ")).map(({ name, definition }) => [`"${name}"`, optionsOf(definition)] as const),
    ...firsts.map((first) => [`"${first} "*`, [...below(first), ...own(first)]] as const),
  ];
  return lines.map(([pattern, words]) => `    ${pattern}) choices="${words.join(" ")}" ;;`).join("\n");
}

const WORDS = `    [[ $word == -* ]] && continue
    if [[ -z $first ]]; then first=$word; elif [[ -z $second ]]; then second=$word; fi`;

const renderBash = (cases: string): string => `_lifeboat() {
  local first= second= word choices= current="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
${WORDS}
  done
  case "$first $second" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "$current"))
}
complete -o default -F _lifeboat lifeboat
`;

const renderZsh = (cases: string): string => `#compdef lifeboat
_lifeboat() {
  local first= second= word choices=
  for word in "\${(@)words[2,CURRENT-1]}"; do
${WORDS}
  done
  case "$first $second" in
${cases}
  esac
  compadd -- \${(s: :)choices} || _files
}
compdef _lifeboat lifeboat
`;

function renderFish(entries: readonly CompletionEntry[]): string {
  const lines: string[] = [];
  const add = (when: string, rest: string): void => void lines.push(`complete -c lifeboat -n ${quoted(when)} ${rest}`);
  for (const { name, summary, definition } of entries) {
    const [first = "", second] = name.split(" ");
    if (second === undefined) add("__fish_use_subcommand", `-f -a ${first} -d ${quoted(summary)}`);
    else {
      add("__fish_use_subcommand", `-f -a ${first}`);
      add(`__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${second}`, `-f -a ${second} -d ${quoted(summary)}`);
    }
    const seen = [first, second].flatMap((word) => (word === undefined ? [] : [`__fish_seen_subcommand_from ${word}`])).join("; and ");
    for (const option of optionsOf(definition)) add(seen, `-l ${option.slice(2)}`);
  }
  return `${lines.join("\n")}\n`;
}

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
