// "Did you mean …": the valid word nearest to an invalid one.

/**
 * Counts the edits that turn one word into the other: insert, delete, replace, or swap two adjacent characters
 * (optimal string alignment, the restricted form of Damerau-Levenshtein).
 */
export function editDistance(from: string, to: string): number {
  const a = [...from];
  const b = [...to];
  let beforeLast: number[] = [];
  let last = b.map((_, j) => j);
  last.push(b.length);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, at(beforeLast, j - 2) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

const at = (row: readonly number[], index: number): number => row[index] ?? Number.POSITIVE_INFINITY;

/**
 * Returns the candidate nearest to the word: at most one edit per three characters (and always one), ignoring case; otherwise the only
 * candidate that begins with the word. Of equals, the first listed. Undefined when none is near.
 */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.trim().toLowerCase();
  if (wanted === "") return undefined;
  const list = [...candidates];
  const allowed = Math.max(1, Math.floor([...wanted].length / 3));
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of list) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    // A word of one or two characters is one edit from almost any word, so at least one character must match.
    if (distance > allowed || distance >= [...wanted].length) continue;
    if (best === undefined || distance < best.distance) best = { candidate, distance };
  }
  if (best !== undefined) return best.candidate;
  const begun = list.filter((candidate) => candidate.toLowerCase().startsWith(wanted));
  return begun.length === 1 ? begun[0] : undefined;
}

/** Returns the end of a message about an invalid word: `; did you mean "users"?`, or an empty text. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const nearest = suggest(word, candidates);
  return nearest === undefined ? "" : `; did you mean "${nearest}"?`;
}
