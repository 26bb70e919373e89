import { firstDifference } from "../../schema/rejections.ts";
import type { CreateTransfer } from "../../schema/rpc/coordinator.ts";

/** Transfers in one call: as many as one commit holds. */
export const MAX_TRANSFERS = 256;

/**
 * Runs the transfers of a batch side by side; one result each, in their order. They know nothing of each other, but those that
 * share an id come one after another, so that which of them is the first does not depend on what each had to wait for.
 */
export const inOrder = async <T>(
  commands: readonly CreateTransfer[],
  run: (command: CreateTransfer) => Promise<T>,
): Promise<T[]> => {
  if (commands.length > MAX_TRANSFERS) {
    throw new RangeError(`${commands.length} transfers in one call, at most ${MAX_TRANSFERS} may be`);
  }
  const results = new Array<T>(commands.length);
  const sharing = Map.groupBy(commands.keys(), (index) => commands[index]?.id);
  await Promise.all(
    [...sharing.values()].map(async (indexes) => {
      let first: number | null = null;
      for (const index of indexes) {
        const command = commands[index] as CreateTransfer;
        const same = first !== null && firstDifference(commands[first], command) === null;
        results[index] = same ? (results[first as number] as T) : await run(command);
        first ??= index;
      }
    }),
  );
  return results;
};
