// What the accident cost, counted order by order: confirmed to a customer, and not in the restored shop.
import type { PostgresSession } from "@lifeboat/sandbox";

export interface Loss {
  readonly orders: number;
  /** From the backup's instant to the accident. */
  readonly seconds: number;
}

export async function measureLoss(
  recovered: PostgresSession,
  confirmed: readonly number[],
  snapshotAt: Date,
  accident: Date,
): Promise<Loss> {
  const [found] = await recovered.query<{ count: string }>("select count(*) from orders where id = any($1)", [confirmed]);
  return { orders: confirmed.length - Number(found?.count), seconds: (accident.getTime() - snapshotAt.getTime()) / 1000 };
}
