import { and, desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { ChargeRecord } from "../../schema/charges.ts";
import { charges } from "../../schema/read-model.ts";
import { clipLimit, type Listing, olderThan, type Page, toListing } from "./page.ts";

/** A pod's charges, newest first. */
export const listCharges = async (db: D1Database, pod: string, page: Page): Promise<Listing<ChargeRecord>> => {
  const limit = clipLimit(page.limit);
  const rows = await drizzle(db)
    .select({ id: charges.id, doc: charges.doc })
    .from(charges)
    .where(and(eq(charges.pod, pod), olderThan(charges.id, page)))
    .orderBy(desc(charges.id))
    .limit(limit + 1);
  return toListing(
    rows,
    limit,
    ({ id }) => [id],
    ({ doc }) => doc,
  );
};
