import { z } from "zod";
import { limitQuery } from "../../schema/commands.ts";
import { type Cursor, parseCursor } from "../read-model/page.ts";

const cursor = z.string().transform((text, context): Cursor | null => {
  const parsed = parseCursor(text);
  if (parsed === null) context.issues.push({ code: "custom", input: text, message: "must be a cursor of this list" });
  return parsed;
});

/** The query parameters of a list, `after` among them: a cursor that the list gave out before. */
export const paged = <T extends z.ZodRawShape>(query: z.ZodObject<T>) =>
  query.extend({ after: cursor.optional().transform((after) => after ?? null) });

export const pageQuery = paged(limitQuery);
