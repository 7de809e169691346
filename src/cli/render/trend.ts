// A few figures as one line of text.
const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/** One character a value, oldest first; the highest is the objective or the largest value. A gap: not measured. */
export function trendOf(values: readonly (number | null)[], objective?: number): string {
  const most = Math.max(objective ?? 0, ...values.map((value) => value ?? 0), Number.MIN_VALUE);
  return values.map((value) => (value === null ? " " : BARS[Math.min(BARS.length - 1, Math.floor((value / most) * BARS.length))])).join("");
}
