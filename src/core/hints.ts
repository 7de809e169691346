// Commands in messages that can be pasted. The error table and the adapters write SOURCE and COMMAND where only the renderer knows the name.

export interface HintNames {
  readonly source?: string | undefined;
  readonly command?: string | undefined;
}

/** Puts the real names into the commands of a text. A placeholder without a name is left out; most commands then mean every source. */
export function withNames(text: string, { source, command }: HintNames): string {
  const put = (line: string, word: string, name: string | undefined): string =>
    line.replaceAll(new RegExp(` ${word}\\b`, "g"), name === undefined ? "" : ` ${name.replaceAll("$", "$$$$")}`);
  return text
    .replaceAll(/`lifeboat [^`]*`/g, (line) => put(put(line, "SOURCE", source), "COMMAND", command))
    .replaceAll(/--yes SOURCE\b/g, (given) => put(given, "SOURCE", source));
}

/** Does the same for every text in the data. */
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
