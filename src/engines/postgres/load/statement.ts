// What an archive's statement says outside of its quotes. Names and texts in it are the source's, and may look like anything.

/** String constants, quoted names, bodies between dollars, comments to the end of the line. */
const QUOTED =
  /(?<![\w$])[EeUu]&?'[^'\\]*(?:(?:\\[\s\S]|'')[^'\\]*)*'|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"|(?<![\w$])\$((?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[\s\S]*?\$\1\$|--[^\n]*/g;

/** The statement with everything quoted taken out: what is left is keywords, plain names and punctuation. */
export const bare = (sql: string): string =>
  sql.replaceAll(QUOTED, (text) => (text.startsWith('"') ? '""' : text.startsWith("--") ? "--" : "''"));

/** The statements of a text, without the semicolons between them. */
export function statementsOf(sql: string): string[] {
  const statements: string[] = [];
  let begin = 0;
  const add = (end: number): void => {
    const statement = sql.slice(begin, end).trim();
    if (statement !== "") statements.push(statement);
    begin = end + 1;
  };
  for (const { 0: text, index } of sql.matchAll(new RegExp(`${QUOTED.source}|;`, "g"))) if (text === ";") add(index);
  add(sql.length);
  return statements;
}

/** Whether it is one statement, with nothing behind it and no comment in it. */
export const isSingle = (sql: string): boolean => /^[^;]*;?\s*$/.test(bare(sql)) && !/--|\/\*/.test(bare(sql));
