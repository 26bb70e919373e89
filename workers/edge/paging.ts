import { z } from "zod";
import { limitQuery } from "../../schema/commands.ts";
import { type Cursor, keyPart, type Listing, type Page, parseCursor, toListing } from "../read-model/page.ts";

const cursor = z.string().transform((text, context): Cursor | null => {
  const parsed = parseCursor(text);
  if (parsed === null) context.issues.push({ code: "custom", input: text, message: "must be a cursor of this list" });
  return parsed;
});

/** The query parameters of a list, `after` among them: a cursor that the list gave out before. */
export const paged = <T extends z.ZodRawShape>(query: z.ZodObject<T>) =>
  query.extend({ after: cursor.optional().transform((after) => after ?? null) });

export const pageQuery = paged(limitQuery);

/** A page of a short list that is had whole, in the order of its keys or the other way round. Goes on where the last page ended, though that item be gone. */
export const pageOfAll = <T>(
  items: readonly T[],
  { limit, after }: Page,
  keyOf: (item: T) => string,
  order: "ascending" | "descending" = "ascending",
): Listing<T> => {
  const sign = order === "ascending" ? 1 : -1;
  const compare = (left: string, right: string): number => (left === right ? 0 : left < right ? -sign : sign);
  const left = items
    .toSorted((one, other) => compare(keyOf(one), keyOf(other)))
    .filter((item) => after === null || compare(keyOf(item), keyPart(after)) > 0);
  return toListing(
    left,
    limit,
    (item) => [keyOf(item)],
    (item) => item,
  );
};
