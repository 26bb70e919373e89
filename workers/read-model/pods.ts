import { and, desc, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { PodRecord } from "../../schema/pods.ts";
import { checkpoints, members, type PodDoc, PROJECTOR } from "../../schema/read-model.ts";
import { streamOf } from "../../schema/streams.ts";
import { type AccountBalance, balancesOf, balancesStatement } from "./accounts.ts";
import { clipLimit, type Listing, olderThan, type Page, toListing } from "./page.ts";

/** A pod with its members, and the counters of each account it has so far. */
export type PodListing = { pod: PodRecord; balances: AccountBalance[] };

type MemberRow = Pick<typeof members.$inferSelect, "pod" | "user" | "role">;

/** The pods this person is a member of, newest first. */
export const listPods = async (db: D1Database, user: string, page: Page): Promise<Listing<PodListing>> => {
  const limit = clipLimit(page.limit);
  const rows = await drizzle(db)
    .select({ id: members.pod, doc: checkpoints.doc })
    .from(members)
    .innerJoin(
      checkpoints,
      and(eq(checkpoints.stream, sql`${streamOf.pod("")} || ${members.pod}`), eq(checkpoints.consumer, PROJECTOR)),
    )
    .where(and(eq(members.user, user), olderThan(members.pod, page)))
    .orderBy(desc(members.pod))
    .limit(limit + 1);
  const ids = rows.slice(0, limit).map(({ id }) => id);
  const [people, money] = await db.batch([
    db
      .prepare(
        `SELECT pod, user, role FROM members WHERE pod IN (SELECT value FROM json_each(?)) ORDER BY joined_seq, user`,
      )
      .bind(JSON.stringify(ids)),
    balancesStatement(db, "pod", ids),
  ]);
  const membersOf = Map.groupBy((people?.results ?? []) as MemberRow[], ({ pod }) => pod);
  const moneyOf = Map.groupBy(money === undefined ? [] : balancesOf(money), ({ owner }) => owner);
  return toListing(
    rows,
    limit,
    ({ id }) => [id],
    ({ id, doc }) => ({
      pod: {
        ...(JSON.parse(doc) as PodDoc),
        members: (membersOf.get(id) ?? []).map(({ user: member, role }) => ({ user: member, role })),
      },
      balances: (moneyOf.get(id) ?? []).map(({ balance }) => balance),
    }),
  );
};
