import type { TransferLeg } from "../../schema/charges.ts";
import { accept, type Refused, type Rejection, type Result, reject } from "../../schema/rejections.ts";
import type { ReverseTransfer, TransferSeen } from "../../schema/rpc/coordinator.ts";
import { isLive, type Saga } from "../../schema/sagas.ts";
import { findCommand, mismatch, rememberCommand, transferScope } from "./answers.ts";
import { checkTransferId, transferRecord } from "./begin-transfer.ts";
import { postedLegs } from "./calls/accounts.ts";
import { type TransferInput, transferInput } from "./definitions/ledger-transfer.ts";
import { loadSaga, type ShardTurn } from "./journal.ts";

/**
 * A reversal touches two shards. Its own id's shard binds that id to "the reversal of O" before anything happens, so that the id
 * can never also be another transfer's. It runs in O's shard, where one row says which reversal O has: begin and that row are
 * one commit, and so are a refusal and the row's end.
 */

/** What the reversal's id is bound to at its own shard. */
const CLAIM = "reversal of ";
const claimTarget = (reverses: string): string => `${CLAIM}${reverses}`;
const claimedFor = (target: string): string | null => (target.startsWith(CLAIM) ? target.slice(CLAIM.length) : null);

/** The reversal's idempotency row in its original's shard, which may be its own as well. */
export const reversalScope = ({ id, reverses }: ReverseTransfer): string => `${transferScope(id)}@${reverses}`;

/** The one reversal that an original has. */
const slotScope = (original: string): string => `${transferScope(original)}!reversed_by`;

const conflict = (detail: string): Refused => reject("conflict", detail);

/** In one turn of the id's own shard: binds it to this command. Refuses an id that means something else, or may not be used. */
export const claimId = (
  turn: ShardTurn,
  { id, reverses }: ReverseTransfer,
  request: string,
  requestId: string,
): Result<null> => {
  const scope = transferScope(id);
  const row = findCommand(turn.sql, scope);
  if (row !== null) {
    const differs = mismatch(row, request);
    return differs === null ? accept(null) : { ok: false, rejection: differs };
  }
  const usable = checkTransferId(id, turn.now);
  if (!usable.ok) return usable;
  rememberCommand(turn, { scope, target: claimTarget(reverses), request, request_id: requestId, status: "201" });
  return accept(null);
};

/** The saga that posted a transfer, if it may be reversed now: it is whole, no reversal itself, and not reversed already. */
export const findOriginal = (sql: SqlStorage, original: string): Result<Saga> => {
  const row = findCommand(sql, transferScope(original));
  if (row === null) return reject("not_found", `no transfer ${original}`);
  if (claimedFor(row.target) !== null) return conflict("a reversal is not reversed: post the transfer again");
  const saga = loadSaga(sql, row.target);
  if (saga === null) throw new Error(`the saga of ${original} is gone`);
  if (saga.status !== "completed") {
    return conflict(
      isLive(saga) || saga.status === "parked" ? "the transfer is not posted yet" : "it never was posted",
    );
  }
  return findCommand(sql, slotScope(original)) === null ? accept(saga) : conflict("the transfer is reversed already");
};

/** The legs where they were posted, suspense included, each on the other side. */
const mirror = (leg: TransferLeg): TransferLeg => ({
  ...leg,
  direction: leg.direction === "debit" ? "credit" : "debit",
});

export const reversalInput = ({ id, reverses }: ReverseTransfer, original: Saga): TransferInput => ({
  transfer: id,
  legs: postedLegs(original).map(mirror),
  reason: `reversal of ${reverses}`,
  metadata: {},
  reverses,
});

/** In the commit that begins the reversal: takes the original's one place, or says why not. */
export const takeOriginal = (turn: ShardTurn, { id, reverses }: ReverseTransfer, request: string): Rejection | null => {
  const original = findOriginal(turn.sql, reverses);
  if (!original.ok) return original.rejection;
  rememberCommand(turn, { scope: slotScope(reverses), target: id, request: "{}", request_id: request, status: "201" });
  return null;
};

/** In the commit that ends a reversal: one that was refused leaves its original free to be reversed again. */
export const leaveOriginal = (turn: ShardTurn, saga: Saga): void => {
  if (saga.kind !== "ledger_transfer" || saga.status !== "compensated") return;
  const { reverses } = transferInput(saga);
  if (reverses !== undefined) turn.sql.exec("DELETE FROM commands WHERE scope = ?", slotScope(reverses));
};

/** A transfer as it is now. See {@link TransferSeen}. */
export const seeTransfer = (sql: SqlStorage, id: string, reverses: string | null): TransferSeen | null => {
  const scope = reverses === null ? transferScope(id) : reversalScope({ id, reverses });
  const row = findCommand(sql, scope);
  if (row === null) return null;
  const original = claimedFor(row.target);
  if (original !== null) return { kind: "elsewhere", reverses: original };
  const saga = loadSaga(sql, row.target);
  if (saga === null || saga.status === "compensated") return null;
  if (saga.status !== "completed") return { kind: "processing", id, saga: saga.id };
  const reversal = findCommand(sql, slotScope(id))?.target;
  return {
    kind: "posted",
    transfer: { ...transferRecord(saga), ...(reversal === undefined ? {} : { reversed_by: reversal }) },
  };
};
