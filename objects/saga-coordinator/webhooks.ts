import { shardOf } from "../../schema/ids.ts";
import type { InboxItem } from "../../schema/rpc/coordinator.ts";
import { isLive, type Saga } from "../../schema/sagas.ts";
import { captureTerms, judgeCapture } from "./calls/provider.ts";
import { advance } from "./decide.ts";
import type { ShardTurn } from "./journal.ts";

/** The saga of a charge: the same ULID and shard under another prefix, so a provider's reference finds it without an index. */
export const sagaOfCharge = (charge: string): string | null =>
  shardOf("chg", charge) === null ? null : `sag_${charge.slice("chg_".length)}`;

/** Stores a webhook in the turn that may act on it; false when this event was taken before. */
export const takeIn = (turn: ShardTurn, item: InboxItem, saga: string, fate: "applied" | "kept"): boolean =>
  turn.sql.exec(
    `INSERT OR IGNORE INTO inbox (provider, event, saga, type, payload, received_at, fate) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    item.provider,
    item.event,
    saga,
    item.type,
    item.payload,
    turn.now,
    fate,
  ).rowsWritten > 0;

/**
 * What a provider's webhook makes of a charge: the same as the answer to a question would, if the charge is at its capture;
 * nothing when that is over, whatever it says. It may come before the answer to the call itself, twice, and in any order.
 */
export const applyWebhook = (saga: Saga, item: InboxItem, now: number, cutEpoch: number): Saga | null => {
  const step = saga.steps[saga.cursor];
  if (!isLive(saga) || saga.status === "compensating" || step?.name !== "capture" || item.state === null) return null;
  const { rules, amount } = captureTerms(saga);
  const move = judgeCapture(
    { ...step, phase: "query" },
    {
      outcome: "state",
      state: item.state,
      provider_ref: item.provider_ref ?? "",
      amount: item.amount,
      decline_reason: item.decline_reason,
    },
    amount,
    rules,
    now,
  );
  // A state that settles nothing tells us no more than we know: the call in flight goes on.
  if (move.outcome !== "done" && move.outcome !== "declined" && move.park === undefined) return null;
  return advance(saga, { step: saga.cursor, epoch: saga.epoch, ...move }, now, cutEpoch);
};

/** True when a webhook says that money moved for a charge that has gone back: somebody must look. */
export const contradicts = (saga: Saga, item: InboxItem): boolean =>
  item.state === "captured" && (saga.status === "compensated" || saga.status === "compensating");
