import { relative } from "node:path";
import { ROOT } from "../settings.ts";

/** One place of a source file (relative to the checkout) said otherwise. `find` stands there exactly once. */
export type Edit = { file: string; find: string; replace: string };

/** The source with every edit made. Throws where a text is not found, or more than once: the code has moved on from under it. */
export const rewrite = (source: string, edits: readonly Edit[]): string =>
  edits.reduce((text, { file, find, replace }) => {
    const found = text.split(find).length - 1;
    if (found !== 1) throw new Error(`${file}: found ${found} times, not once: ${find}`);
    return text.replace(find, () => replace);
  }, source);

/** The edits of one file made in its source; null when none is of this file. */
export const rewriteFile = (file: string, source: string, edits: readonly Edit[]): string | null => {
  const own = edits.filter((edit) => edit.file === file);
  return own.length === 0 ? null : rewrite(source, own);
};

/** A bundler's plugin that says sources otherwise as it loads them. `change` is asked at every load; null: as it stands. */
export const rewriting = (change: (file: string, source: string) => string | null) => ({
  name: "rewriting",
  enforce: "pre" as const,
  transform(source: string, id: string) {
    const code = change(relative(ROOT, id.split("?")[0] ?? id), source);
    return code === null ? undefined : { code, map: null };
  },
});
