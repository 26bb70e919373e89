/** What a group may hold: so many items, and so much of them together, in whatever `sizeOf` counts. */
export type Bounds = { readonly count?: number; readonly size: number };

/**
 * Items in order, in as few groups as their bounds allow. Between two of a group lies one more: a comma, a line break. An item that
 * is larger by itself is a group of its own.
 */
export const groupsOf = <T>(items: readonly T[], sizeOf: (item: T) => number, most: Bounds): T[][] => {
  const groups: T[][] = [];
  let size = 0;
  for (const item of items) {
    const own = sizeOf(item);
    const last = groups.at(-1);
    size += 1 + own;
    if (last === undefined || last.length === most.count || size > most.size) {
      groups.push([item]);
      size = own;
    } else {
      last.push(item);
    }
  }
  return groups;
};
