import { firstDifference, reject } from "../../schema/rejections.ts";
import type { CreateTransfer, TransferAnswer } from "../../schema/rpc/coordinator.ts";

/** Transfers in one call: as many as one commit holds. */
export const MAX_TRANSFERS = 256;

/**
 * Runs the transfers of a batch side by side; one answer each, in their order, and a bug met by one of them is that one's alone.
 * They know nothing of each other, but those that share an id come one after another, so that which of them is the first does
 * not depend on what each had to wait for.
 */
export const runAll = async (
  commands: readonly CreateTransfer[],
  transfer: (command: CreateTransfer) => Promise<TransferAnswer>,
  requestId: string,
): Promise<TransferAnswer[]> => {
  if (commands.length > MAX_TRANSFERS) {
    throw new RangeError(`${commands.length} transfers in one call, at most ${MAX_TRANSFERS} may be`);
  }
  const run = (command: CreateTransfer): Promise<TransferAnswer> =>
    transfer(command).catch((error: unknown) => {
      console.error(`transfer ${command.id} of a batch: ${error instanceof Error ? error.message : "failed"}`);
      const { rejection } = reject("internal", "the transfer failed");
      return { kind: "problem", rejection, request_id: requestId, replayed: false };
    });
  const results = new Array<TransferAnswer>(commands.length);
  const sharing = Map.groupBy(commands.keys(), (index) => commands[index]?.id);
  await Promise.all(
    [...sharing.values()].map(async (indexes) => {
      let first: number | null = null;
      for (const index of indexes) {
        const command = commands[index] as CreateTransfer;
        const same = first !== null && firstDifference(commands[first], command) === null;
        results[index] = same ? (results[first as number] as TransferAnswer) : await run(command);
        first ??= index;
      }
    }),
  );
  return results;
};
