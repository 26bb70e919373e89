import { chargeInput } from "../../schema/charges.ts";
import { shardOf } from "../../schema/ids.ts";
import type { MoneyJson } from "../../schema/money.ts";
import type { InboxItem, WebhookFate } from "../../schema/rpc/coordinator.ts";
import { isLive, type Saga } from "../../schema/sagas.ts";
import { metric } from "../kit/metrics.ts";
import { captureTerms, judgeCapture } from "./calls/provider.ts";
import { advance } from "./decide.ts";
import type { Driver } from "./driver.ts";
import type { ShardTurn } from "./journal.ts";
import { unparked } from "./operate.ts";
import { captureInDoubt, isAnother, strayIn, withStray } from "./stray-captures.ts";

/** The saga of a charge: the same ULID and shard under another prefix, so a provider's reference finds it without an index. */
export const sagaOfCharge = (charge: string): string | null =>
  shardOf("chg", charge) === null ? null : `sag_${charge.slice("chg_".length)}`;

/** A charge of ours that this provider was asked to capture. */
const isAbout = (saga: Saga, { provider }: InboxItem): boolean => {
  if (saga.kind !== "charge") return false;
  const { source } = chargeInput(saga);
  return source.type === "instrument" && source.connector === provider;
};

export type Taken = { fate: WebhookFate; moved: Saga | null };

/** Takes a webhook in: each of the provider's events once, what it settles in the same commit. `moved`: the saga to drive on. */
export const takeWebhook = async (driver: Pick<Driver, "change">, item: InboxItem): Promise<Taken> => {
  const id = sagaOfCharge(item.reference);
  let fate: Taken["fate"] = "unroutable";
  let after: Saga | null = null;
  if (id === null) return { fate, moved: null };
  let alarming = false;
  const store = (saga: Saga, turn: ShardTurn): boolean => {
    if (!isAbout(saga, item)) return false;
    if (repeats(saga, item)) {
      fate = "known";
      return false;
    }
    const stray = strayIn(saga, item);
    after = applyWebhook(saga, item, turn.now, turn.state.cutEpoch);
    if (stray !== null) {
      const shard = shardOf("sag", saga.id) ?? 0;
      after = withStray(saga, stray, turn.ids.next("sag", turn.now, shard));
    }
    const isNew = takeIn(turn, item, id, after === null ? "kept" : "applied");
    fate = isNew ? "stored" : "duplicate";
    alarming = isNew && contradicts(saga, item);
    if (alarming) {
      const meta = { principal: saga.principal, correlation: saga.correlation, causation: item.event };
      turn.append("webhook.unmatched", { saga: id, provider: item.provider, state: item.state }, meta);
    }
    return isNew;
  };
  const moved = await driver.change(id, () => after, store);
  if (alarming) metric("webhook.contradicts", 1, { saga: id, provider: item.provider, state: item.state ?? "none" });
  return { fate, moved };
};

/** True when a webhook says of a charge's capture what the journal has of it: most come after the answer to the call itself. */
const repeats = (saga: Saga, item: InboxItem): boolean => {
  const capture = saga.steps.find(({ name }) => name === "capture");
  if (capture?.status !== "done" || !isSame(item, chargeInput(saga).amount)) return false;
  return item.provider_ref !== null && capture.result?.provider_ref === item.provider_ref;
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
 * What a provider's webhook makes of a charge: the same as the answer to a question would, if the charge is at its capture, parked
 * there or not; nothing when that is over, whatever it says. It may come before the answer to the call itself, twice, and in any
 * order. It does not overrule what is known: of a charge that was parked over a capture of another amount a person decides.
 */
export const applyWebhook = (saga: Saga, item: InboxItem, now: number, cutEpoch: number): Saga | null => {
  const step = saga.steps[saga.cursor];
  if (saga.failure !== null || step?.name !== "capture" || item.state === null) return null;
  if (!isLive(saga) && !(saga.status === "parked" && mayHear(saga))) return null;
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
  // A state that settles nothing tells us no more than we know: the call in flight goes on, and who is parked stays so.
  if (move.outcome !== "done" && move.outcome !== "declined" && move.park === undefined) return null;
  return advance(unparked(saga), { step: saga.cursor, epoch: saga.epoch, ...move }, now, cutEpoch);
};

/** Parked because nobody could say how the capture ended: its provider now can. */
const mayHear = (saga: Saga): boolean =>
  captureInDoubt(saga) === null && !(saga.parked_reason ?? "").startsWith("internal:");

/** True when a webhook says otherwise than what was done on a provider's or an operator's word: somebody must look. */
export const contradicts = (saga: Saga, item: InboxItem): boolean => {
  if (item.state === "captured" && saga.failure !== null) return true;
  const capture = saga.steps.find(({ name }) => name === "capture");
  if (capture?.status === "done") {
    return item.state === "failed" || item.state === "voided" || (item.state === "captured" && isAnother(saga, item));
  }
  const doubt = captureInDoubt(saga);
  return doubt !== null && item.state !== null && item.state !== "pending" && !isSame(item, doubt.amount);
};

/** A capture of this very amount, told again. */
const isSame = ({ state, amount }: InboxItem, known: MoneyJson): boolean =>
  state === "captured" && amount?.amount === known.amount && amount.currency === known.currency;
