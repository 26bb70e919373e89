/** One parameter holds at most this many characters of JSON, well under the 2 MB a value may have in UTF-8. */
export const MAX_PARAMETER_CHARS = 400_000;

/**
 * Cuts rows into JSON arrays of bounded size, a parameter each: a statement takes no more than 100. A row above the bound stands
 * alone. A record in a row is stored as it is written here: `->` takes its text out of the array unchanged.
 */
export const jsonChunks = (rows: readonly object[]): string[] => {
  const chunks: string[] = [];
  let open: string[] = [];
  let size = 0;
  for (const row of rows) {
    const text = JSON.stringify(row);
    if (open.length > 0 && size + text.length > MAX_PARAMETER_CHARS) {
      chunks.push(`[${open.join(",")}]`);
      open = [];
      size = 0;
    }
    open.push(text);
    size += text.length + 1;
  }
  if (open.length > 0) chunks.push(`[${open.join(",")}]`);
  return chunks;
};
