/**
 * Ids in their order, none twice. Never changed in place, so that a commit that is undone leaves the list before it as it was. A
 * shard has few, and adds the newest: copying them costs less than the row of an index.
 */
export type IdList = readonly string[];

/** Where an id is, or would be. */
const placeOf = (ids: IdList, id: string): number => {
  let low = 0;
  for (let high = ids.length; low < high; ) {
    const middle = (low + high) >> 1;
    if ((ids[middle] ?? "") < id) low = middle + 1;
    else high = middle;
  }
  return low;
};

export const withId = (ids: IdList, id: string): IdList => {
  const at = placeOf(ids, id);
  return ids[at] === id ? ids : [...ids.slice(0, at), id, ...ids.slice(at)];
};

export const withoutId = (ids: IdList, id: string): IdList => {
  const at = placeOf(ids, id);
  return ids[at] === id ? [...ids.slice(0, at), ...ids.slice(at + 1)] : ids;
};

/** Those after `after`, at most `limit`. */
export const idsAfter = (ids: IdList, after: string, limit: number): IdList => {
  const at = placeOf(ids, after);
  const from = ids[at] === after ? at + 1 : at;
  return ids.slice(from, from + limit);
};
