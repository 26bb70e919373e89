import { and, asc, eq, gt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { checkpoints, PROJECTOR } from "../../schema/read-model.ts";
import { clipLimit, keyPart, type Listing, type Page, toListing } from "./page.ts";

const MAX_STREAMS = 1_000;

/** The streams the read model has met, by name; at most 1,000 a page. */
export const listStreams = async (
  db: D1Database,
  page: Page = { limit: MAX_STREAMS, after: null },
): Promise<Listing<string>> => {
  const limit = clipLimit(page.limit, MAX_STREAMS);
  const rows = await drizzle(db)
    .select({ stream: checkpoints.stream })
    .from(checkpoints)
    .where(and(eq(checkpoints.consumer, PROJECTOR), gt(checkpoints.stream, keyPart(page.after))))
    .orderBy(asc(checkpoints.stream))
    .limit(limit + 1);
  return toListing(
    rows,
    limit,
    ({ stream }) => [stream],
    ({ stream }) => stream,
  );
};
