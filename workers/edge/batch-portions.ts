import type { CreateTransfer } from "../../schema/rpc/coordinator.ts";

/** Transfers in one call to a shard: as many as one commit holds. */
export const MAX_TRANSFERS = 256;
/** And legs: each may cost the shard three calls to accounts, and the platform counts the calls that one call makes. */
export const MAX_LEGS = 2_000;

/** Cuts a shard's share of a batch into calls, in order, each of at most 256 transfers and 2,000 legs. */
export const portionsOf = <T extends { command: Pick<CreateTransfer, "legs"> }>(placed: readonly T[]): T[][] => {
  const portions: T[][] = [];
  let legs = 0;
  for (const item of placed) {
    const last = portions.at(-1);
    const own = item.command.legs.length;
    if (last === undefined || last.length >= MAX_TRANSFERS || legs + own > MAX_LEGS) {
      portions.push([item]);
      legs = own;
    } else {
      last.push(item);
      legs += own;
    }
  }
  return portions;
};
