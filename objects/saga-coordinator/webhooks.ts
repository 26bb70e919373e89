import { chargeInput } from "../../schema/charges.ts";
import { shardOf } from "../../schema/ids.ts";
import type { InboxItem } from "../../schema/rpc/coordinator.ts";
import { isLive, type Saga } from "../../schema/sagas.ts";
import { captureTerms, judgeCapture } from "./calls/provider.ts";
import { advance } from "./decide.ts";
import type { Driver } from "./driver.ts";
import type { ShardTurn } from "./journal.ts";

/** The saga of a charge: the same ULID and shard under another prefix, so a provider's reference finds it without an index. */
export const sagaOfCharge = (charge: string): string | null =>
  shardOf("chg", charge) === null ? null : `sag_${charge.slice("chg_".length)}`;

/** A charge of ours that this provider was asked to capture. */
const isAbout = (saga: Saga, { provider }: InboxItem): boolean => {
  if (saga.kind !== "charge") return false;
  const { source } = chargeInput(saga);
  return source.type === "instrument" && source.connector === provider;
};

export type Taken = { fate: "stored" | "duplicate" | "unroutable"; moved: Saga | null };

/** Takes a webhook in: each of the provider's events once, what it settles in the same commit. `moved`: the saga to drive on. */
export const takeWebhook = async (driver: Pick<Driver, "change">, item: InboxItem): Promise<Taken> => {
  const id = sagaOfCharge(item.reference);
  let fate: Taken["fate"] = "unroutable";
  let after: Saga | null = null;
  if (id === null) return { fate, moved: null };
  const store = (saga: Saga, turn: ShardTurn): boolean => {
    if (!isAbout(saga, item)) return false;
    after = applyWebhook(saga, item, turn.now, turn.state.cutEpoch);
    const isNew = takeIn(turn, item, id, after === null ? "kept" : "applied");
    fate = isNew ? "stored" : "duplicate";
    if (isNew && contradicts(saga, item)) {
      const meta = { principal: saga.principal, correlation: saga.correlation, causation: item.event };
      turn.append("webhook.unmatched", { saga: id, provider: item.provider, state: item.state }, meta);
    }
    return isNew;
  };
  const moved = await driver.change(id, () => after, store);
  return { fate, moved };
};

/** Stores a webhook in the turn that may act on it; false when this event was taken before. */
const takeIn = (turn: ShardTurn, item: InboxItem, saga: string, fate: "applied" | "kept"): boolean =>
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
const contradicts = (saga: Saga, item: InboxItem): boolean =>
  item.state === "captured" && (saga.status === "compensated" || saga.status === "compensating");
