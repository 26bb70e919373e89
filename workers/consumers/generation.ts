/**
 * Which set of tables a projection writes: the one that readers see, or the one a rebuild fills. Everything that names a table
 * takes it through here.
 */
export type Generation = "serving" | "next";

/** The table of that name in a generation. */
export const tableIn = (generation: Generation, table: string): string =>
  generation === "next" ? `${table}_next` : table;
