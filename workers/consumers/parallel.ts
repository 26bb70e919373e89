/** Runs `task` over all items, at most `width` at a time: the platform opens six connections at once and cuts off the rest. */
export const inParallel = async <T>(
  width: number,
  items: readonly T[],
  task: (item: T) => Promise<void>,
): Promise<void> => {
  const rest = items.values();
  const lane = async (): Promise<void> => {
    for (const item of rest) await task(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
};
