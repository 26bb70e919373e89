import { parseCursor } from "../../read-model/page.ts";
import { listStreams } from "../../read-model/queries.ts";

/** Every stream the read model has met. */
export const knownStreams = async (db: D1Database): Promise<string[]> => {
  const streams: string[] = [];
  let page = await listStreams(db);
  for (;;) {
    streams.push(...page.data);
    const after = page.next === null ? null : parseCursor(page.next);
    if (after === null) return streams;
    page = await listStreams(db, { limit: 1_000, after });
  }
};
