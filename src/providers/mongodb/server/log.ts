// Why a server did not start, from what it wrote down: lines of JSON of which the worst says why.

const LONGEST = 500;

/** One sentence, or "" when nothing tells. */
export function reasonIn(log: string): string {
  const lines = log.split("\n").filter((line) => line.trim() !== "");
  const worst = lines.map(readLine).findLast((line) => line?.severity === "F" || line?.severity === "E");
  return (worst?.words ?? lines.at(-1) ?? "").slice(0, LONGEST);
}

function readLine(line: string): { readonly severity: string; readonly words: string } | undefined {
  try {
    const { s, msg, attr } = JSON.parse(line) as { s?: unknown; msg?: unknown; attr?: { error?: unknown } };
    const error = attr?.error === undefined ? "" : `: ${typeof attr.error === "string" ? attr.error : JSON.stringify(attr.error)}`;
    return { severity: String(s), words: `${String(msg)}${error}` };
  } catch {
    // A line that the program wrote before its log was set up.
    return undefined;
  }
}
