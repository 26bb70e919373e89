import { formatMinor } from "../../schema/money.ts";
import type { CutAnswer } from "../../schema/rpc/account.ts";
import type { Head } from "../kit/event-log.ts";
import type { AccountState, PhysicalAccount } from "./account.ts";

/** Transfers one account is asked about in one cut. */
export const MAX_LISTED = 50_000;

/**
 * What was posted under tags of at most `epoch`, minor units. Throws when the register is past the epoch after it: a later cut
 * has begun, and what this one would have left out is no longer known apart.
 */
export const postedAt = ({ counters, late }: AccountState, epoch: number): { debits: bigint; credits: bigint } => {
  if (late.epoch > epoch + 1) throw new RangeError(`cut ${epoch} was superseded: postings are tagged ${late.epoch}`);
  const after = late.epoch > epoch ? late : { debits: 0n, credits: 0n };
  return { debits: counters.debitsPosted - after.debits, credits: counters.creditsPosted - after.credits };
};

/**
 * The account's word in a cut. Counters, place in the log and what is applied are of one turn; `appliedAmong` tells which of the
 * listed transfers are posted here.
 */
export const answerCut = (
  account: PhysicalAccount,
  state: AccountState,
  head: Head,
  epoch: number,
  listed: readonly string[],
  appliedAmong: (transfers: readonly string[]) => string[],
): CutAnswer => {
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw new RangeError(`not a cut epoch: ${epoch}`);
  if (listed.length > MAX_LISTED)
    throw new RangeError(`${listed.length} transfers are listed, at most ${MAX_LISTED} may be`);
  const { debits, credits } = postedAt(state, epoch);
  return {
    account: account.name,
    debits: formatMinor(debits, account.currency),
    credits: formatMinor(credits, account.currency),
    seq: head.seq,
    hash: head.hash,
    applied: appliedAmong(listed),
  };
};
