const SHARDS = 8;

/** The names of all the objects that together keep the books. */
export const allShards: readonly string[] = Array.from({ length: SHARDS }, (_, shard) => `books-${shard}`);

/** The one object that decides everything about a merchant reference (FNV-1a over its characters). */
export function shardOf(reference: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < reference.length; i++) {
    hash = Math.imul(hash ^ reference.charCodeAt(i), 0x01000193);
  }
  return `books-${(hash >>> 0) % SHARDS}`;
}
