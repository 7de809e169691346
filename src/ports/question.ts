// Questions that a preview asks of a scratch database, and their answers.

/** A question of a preview. SQL for engines with tables; an aggregation pipeline, as extended JSON, for engines with collections. */
export type Question = { readonly sql: string } | { readonly collection: string; readonly pipeline: string };

export interface QuestionLimits {
  readonly rows: number;
  readonly sizeBytes: number;
  readonly timeoutMs: number;
}

/** The first rows that the limits allow. */
export function firstRows<T>(rows: readonly T[], limits: Pick<QuestionLimits, "rows" | "sizeBytes">): T[] {
  const kept: T[] = [];
  let sizeBytes = 0;
  for (const row of rows.slice(0, limits.rows)) {
    sizeBytes += JSON.stringify(row).length;
    if (sizeBytes > limits.sizeBytes) break;
    kept.push(row);
  }
  return kept;
}

export interface Answer {
  readonly columns: readonly string[];
  /** Values as JSON has them; of types that it lacks, as the server writes them. */
  readonly rows: readonly (readonly unknown[])[];
  /** More rows than the limits allow were left out. */
  readonly truncated: boolean;
  /** What a user must know of how it was asked: with more privileges than reading. */
  readonly warnings: readonly string[];
}
