// Commands that a person pastes into a shell: what a word holds stays one word, and nothing in it is run.

/** The text as one word of a POSIX shell: as it is, in double quotes where nothing in it means anything there, else in single ones. */
export function shellWord(text: string): string {
  if (/^[\w./:=@%+,-]+$/.test(text)) return text;
  return /["$`\\!\n]/.test(text) ? shellQuoted(text) : `"${text}"`;
}

/** The text in single quotes, always: for scripts. */
export const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
