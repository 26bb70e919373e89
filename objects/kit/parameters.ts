import { groupsOf } from "../../schema/groups.ts";

/** One parameter holds at most this many characters of JSON, well under the 2 MB a value may have in UTF-8. */
export const MAX_PARAMETER_CHARS = 400_000;

/**
 * Rows as JSON arrays of bounded size, a parameter each: a statement takes no more than 100. A row above the bound stands
 * alone. A record in a row is stored as it is written here: `->` takes its text out of the array unchanged.
 */
export const jsonChunks = (rows: readonly object[]): string[] => {
  const texts = rows.map((row) => JSON.stringify(row));
  return groupsOf(texts, ({ length }) => length, { size: MAX_PARAMETER_CHARS }).map((group) => `[${group.join(",")}]`);
};
