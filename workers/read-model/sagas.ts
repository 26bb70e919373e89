import { and, desc, eq, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { sagas } from "../../schema/read-model.ts";
import type { Saga, SagaKind, SagaStatus } from "../../schema/sagas.ts";
import { clipLimit, type Listing, olderThan, type Page, toListing } from "./page.ts";

export type SagaFilter = {
  status?: SagaStatus | undefined;
  kind?: SagaKind | undefined;
  subject?: string | undefined;
  /** RFC 3339, as events carry it: begun before this. */
  older_than?: string | undefined;
};

/** Sagas of every shard, newest first. */
export const listSagas = async (db: D1Database, filter: SagaFilter, page: Page): Promise<Listing<Saga>> => {
  const limit = clipLimit(page.limit);
  const rows = await drizzle(db)
    .select({ id: sagas.id, doc: sagas.doc })
    .from(sagas)
    .where(
      and(
        filter.status === undefined ? undefined : eq(sagas.status, filter.status),
        // Says in the index's own words what the term above implies: else the partial index is not considered.
        filter.status === undefined || filter.status === "completed" ? undefined : sql`${sagas.status} <> 'completed'`,
        filter.kind === undefined ? undefined : eq(sagas.kind, filter.kind),
        filter.subject === undefined ? undefined : eq(sagas.subject, filter.subject),
        filter.older_than === undefined ? undefined : lt(sagas.createdAt, filter.older_than),
        olderThan(sagas.id, page),
      ),
    )
    .orderBy(desc(sagas.id))
    .limit(limit + 1);
  return toListing(
    rows,
    limit,
    ({ id }) => [id],
    ({ doc }) => doc,
  );
};

/** Why sagas are parked, how many for each reason, and since when the oldest of them; RFC 3339. */
export const parkedSagas = (db: D1Database): Promise<{ reason: string; count: number; since: string }[]> =>
  drizzle(db)
    .select({
      reason: sql<string>`json_extract(${sagas.doc}, '$.parked_reason')`,
      count: sql<number>`count(*)`,
      since: sql<string>`min(json_extract(${sagas.doc}, '$.updated_at'))`,
    })
    .from(sagas)
    // The second term is the partial index's own.
    .where(and(eq(sagas.status, "parked"), sql`${sagas.status} <> 'completed'`))
    .groupBy(sql`1`);
