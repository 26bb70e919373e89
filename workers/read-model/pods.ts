import { and, asc, desc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { PodRecord } from "../../schema/pods.ts";
import { accounts, members, pods } from "../../schema/read-model.ts";
import { type AccountBalance, toBalance } from "./accounts.ts";
import { clipLimit, type Listing, olderThan, oneOf, type Page, toListing } from "./page.ts";

/** A pod with its members, and the counters of each account it has so far. */
export type PodListing = { pod: PodRecord; balances: AccountBalance[] };

/** The pods this person is a member of, newest first. */
export const listPods = async (db: D1Database, user: string, page: Page): Promise<Listing<PodListing>> => {
  const limit = clipLimit(page.limit);
  const orm = drizzle(db);
  const rows = await orm
    .select({ id: members.pod, doc: pods.doc })
    .from(members)
    .innerJoin(pods, eq(pods.id, members.pod))
    .where(and(eq(members.user, user), olderThan(members.pod, page)))
    .orderBy(desc(members.pod))
    .limit(limit + 1);
  const ids = rows.slice(0, limit).map(({ id }) => id);
  const [people, money] = await orm.batch([
    orm.select().from(members).where(oneOf(members.pod, ids)).orderBy(asc(members.joinedSeq), asc(members.user)),
    orm
      .select()
      .from(accounts)
      .where(and(eq(accounts.kind, "pod"), oneOf(accounts.owner, ids)))
      .orderBy(asc(accounts.id)),
  ]);
  const membersOf = Map.groupBy(people, ({ pod }) => pod);
  const moneyOf = Map.groupBy(money, ({ owner }) => owner);
  return toListing(
    rows,
    limit,
    ({ id }) => [id],
    ({ id, doc }) => ({
      pod: { ...doc, members: (membersOf.get(id) ?? []).map(({ user: member, role }) => ({ user: member, role })) },
      balances: (moneyOf.get(id) ?? []).map(toBalance),
    }),
  );
};
