// Commands in messages, as they can be pasted: the table of errors and the adapters write SOURCE and COMMAND where only who prints knows the name.

export interface HintNames {
  readonly source?: string | undefined;
  readonly command?: string | undefined;
}

/** The text with the real names in its commands. What has no name here is left out: most commands then mean every source. */
export function withNames(text: string, { source, command }: HintNames): string {
  const put = (line: string, word: string, name: string | undefined): string =>
    line.replaceAll(new RegExp(` ${word}\\b`, "g"), name === undefined ? "" : ` ${name.replaceAll("$", "$$$$")}`);
  return text
    .replaceAll(/`lifeboat [^`]*`/g, (line) => put(put(line, "SOURCE", source), "COMMAND", command))
    .replaceAll(/--yes SOURCE\b/g, (given) => put(given, "SOURCE", source));
}

/** The same of every text in the data. */
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
