// A command line as it was typed, for journals: ready to be pasted, without secrets and without what chooses single rows.
import { shellQuoted } from "../core/shell.ts";
import { redact } from "./redact.ts";

const STARS = "***";
const SECRET = "\\w*(?:pass(?:word|wd|phrase)?|pwd|secret|token|credential|api[-_]?key|access[-_]?key|private[-_]?key)\\w*";
/** Such as PGPASSWORD=…, --token=…, also within a line of shell. */
const ASSIGNED = new RegExp(`((?:--?|\\b)[\\w-]*${SECRET}[\\w-]*=)('[^']*'|"[^"]*"|[^\\s'"]+)`, "gi");
const OPTION = new RegExp(`^--?[\\w-]*${SECRET}$`, "i");
const LOGIN = /\b(bearer|basic)\s+[^\s"']+/gi;
/** Options that choose rows: what they hold may be about a person, whom an erasure must not outlive in a journal. */
const CHOOSES_ROWS = /^--(?:key|where|query|aggregate|check)$/;
/** Shorter values of variables would redact ordinary words. */
const SHORTEST = 8;

/** `secrets`: those of the configuration. Variables of the environment whose names say that they are secret are redacted too. */
export function recordedCommand(
  argv: readonly string[],
  secrets: Iterable<string>,
  env: Readonly<Record<string, string | undefined>>,
): string {
  const all = [...secrets];
  for (const [name, value = ""] of Object.entries(env))
    if (value.length >= SHORTEST && new RegExp(`^${SECRET}$`, "i").test(name) && !value.startsWith("/")) all.push(value);
  const words = argv.map((word, at) => {
    const before = argv[at - 1] ?? "";
    if (CHOOSES_ROWS.test(before)) return STARS;
    const [option = ""] = word.split("=", 1);
    if (word !== option && CHOOSES_ROWS.test(option)) return `${option}=${STARS}`;
    if (OPTION.test(before) && !/file/i.test(before) && !word.startsWith("-")) return STARS;
    const assigned = word.replace(ASSIGNED, (whole, key: string) => (/file/i.test(key) ? whole : `${key}${STARS}`));
    return redact(assigned.replace(LOGIN, `$1 ${STARS}`), all);
  });
  return ["lifeboat", ...words.map(quoted)].join(" ");
}

const quoted = (word: string): string => (/^[\w@%+=:,./*-]+$/.test(word) ? word : shellQuoted(word));
