import { readFileSync } from "node:fs";

/** `.sql` imports are text in a Worker's bundle; this makes them the same under Node. */
export const sqlAsText = {
  name: "sql-as-text",
  enforce: "pre" as const,
  load(id: string) {
    const [path = id] = id.split("?");
    return path.endsWith(".sql") ? `export default ${JSON.stringify(readFileSync(path, "utf8"))};` : undefined;
  },
};
