/** The most parts one amount is split into. */
export const MAX_PARTS = 1000;

/**
 * Splits `total` minor units by weight with the largest-remainder method. The parts sum to `total` exactly, each lies less than
 * one unit from its exact share, a weight of zero gets nothing, and a negative total gives the negated parts of the positive one.
 * Where equal remainders compete for the last units, a hash of `tieSeed` (the id of what is split) chooses, so that it is not
 * always the first member who pays the odd cent, and a retry gives the same answer.
 * Throws a RangeError unless there are 1 … 1000 weights, none negative, with a sum above zero.
 */
export function allocate(total: bigint, weights: readonly bigint[], tieSeed: string): bigint[] {
  if (weights.length < 1 || weights.length > MAX_PARTS) {
    throw new RangeError(`a split has 1 to ${MAX_PARTS} weights, not ${weights.length}`);
  }
  let sum = 0n;
  for (const weight of weights) {
    if (weight < 0n) throw new RangeError(`a weight of a split is negative: ${weight}`);
    sum += weight;
  }
  if (sum === 0n) throw new RangeError("the weights of a split sum to zero");

  const magnitude = total < 0n ? -total : total;
  const parts = weights.map((weight) => (magnitude * weight) / sum);
  const remainders = weights.map((weight) => (magnitude * weight) % sum);
  const leftOver = Number(magnitude - parts.reduce((a, b) => a + b, 0n));
  for (const index of takers(remainders, leftOver, tieSeed)) parts[index] = (parts[index] ?? 0n) + 1n;
  return total < 0n ? parts.map((part) => -part) : parts;
}

/** Indexes of the `count` largest remainders. Only the ties at the cut matter; they are taken in turn from a place the seed gives. */
function takers(remainders: readonly bigint[], count: number, tieSeed: string): number[] {
  if (count === 0) return [];
  const order = [...remainders.keys()].sort((a, b) => compare(remainders[b] ?? 0n, remainders[a] ?? 0n) || a - b);
  const cut = remainders[order[count - 1] ?? 0] ?? 0n;
  const above = order.filter((index) => (remainders[index] ?? 0n) > cut);
  const tied = order.filter((index) => remainders[index] === cut);
  const start = fnv1a(tieSeed) % tied.length;
  return [...above, ...tied.slice(start), ...tied.slice(0, start)].slice(0, count);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** 32-bit FNV-1a, folded: its low bits alone depend on too little of the input to be used as a remainder. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash ^ (hash >>> 16)) >>> 0;
}
