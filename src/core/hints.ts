// What a user can do next. The error table and the adapters write SOURCE, COMMAND and POINT where only the caller knows the name.

export interface HintNames {
  readonly source?: string | undefined;
  readonly command?: string | undefined;
  /** The restore point that the command was given. */
  readonly point?: string | undefined;
}

export interface NextAction {
  /** A sentence for people, with commands in backticks. */
  readonly text: string;
  /** The commands of the text that can be run as they are, in order. */
  readonly commands: readonly string[];
}

/** Makes the next action of a hint: real names in its text, and its commands by themselves. */
export function nextOf(hint: string, names: HintNames = {}): NextAction {
  const text = withNames(hint, names);
  return { text, commands: [...text.matchAll(/`([^`]+)`/g)].flatMap(([, code = ""]) => (isRunnable(code) ? [code] : [])) };
}

/** Returns the action for a person: a lone command as it can be pasted; with a condition or a second step, the whole sentence. */
export const instructionOf = ({ text, commands: [command = ""] }: NextAction): string => (text === `run \`${command}\`` ? command : text);

/** A command line of one of these programs, without a word to be filled in. The other code in hints is options and settings. */
const isRunnable = (code: string): boolean => /^(?:lifeboat|atlas|chmod|npm|ulimit) /.test(code) && !/(?:^| )[A-Z][A-Z|]+\b|…/.test(code);

/**
 * Puts the real names into the commands of a text. SOURCE and COMMAND without a name are left out: most commands then mean every
 * source. POINT without a name stays.
 */
export function withNames(text: string, { source, command, point }: HintNames): string {
  const put = (line: string, word: string, name: string | undefined): string =>
    line.replaceAll(new RegExp(` ${word}\\b`, "g"), name === undefined ? "" : ` ${name.replaceAll("$", "$$$$")}`);
  return text
    .replaceAll(/`lifeboat [^`]*`/g, (line) => put(put(put(line, "SOURCE", source), "COMMAND", command), "POINT", point ?? "POINT"))
    .replaceAll(/--yes SOURCE\b/g, (given) => put(given, "SOURCE", source));
}

/** Puts the names into every text of the data. */
export function namesIn<T extends { readonly message: string; readonly next?: string | undefined }>(
  of: readonly T[],
  names: HintNames,
): T[] {
  return of.map((one) => ({
    ...one,
    message: withNames(one.message, names),
    ...(one.next === undefined ? {} : { next: withNames(one.next, names) }),
  }));
}
