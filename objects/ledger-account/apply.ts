import { formatMinor } from "../../schema/money.ts";
import type { AccountAnswer, AccountOp } from "../../schema/rpc/account.ts";
import type { Turn } from "../kit/actor.ts";
import { isoTime } from "../kit/clock.ts";
import type { AccountState, PhysicalAccount } from "./account.ts";
import { consequences } from "./consequences.ts";
import { balanceOf } from "./counters.ts";
import { type Decision, decide, legsText, postsText } from "./decide.ts";
import type { WordBook } from "./words.ts";

/**
 * One operation in its turn: what was said before, what is decided now, its events, and the word that stands from here on; then
 * whatever follows from where the balance stands now. All of it commits or vanishes together.
 */
export const applyOp = (
  turn: Pick<Turn<AccountState>, "state" | "head" | "now" | "append">,
  account: PhysicalAccount,
  words: WordBook,
  op: AccountOp,
): AccountAnswer => {
  const decision = decide(account, turn.state, words.find(op.transfer), op);
  if (decision.kind === "say") return decision.answer;
  const meta = { principal: op.principal, correlation: op.correlation, causation: op.saga };
  if (decision.kind === "keep") {
    for (const { type, data } of decision.events) {
      const claim = type === "transfer.posted" ? op.effective_at : undefined;
      turn.append(type, data, claim === undefined ? meta : { ...meta, effectiveAt: claim });
    }
  }
  const moved = decision.kind === "keep" && decision.events.length > 0;
  const at = moved ? turn.head.recordedAt : isoTime(turn.now);
  const answer = answerOf(decision, turn, account, at);
  for (const { type, data } of consequences(turn.state)) turn.append(type, data, meta);
  const state = decision.kind === "keep" ? decision.state : "refused";
  words.keep(op, { state, bodyHash: op.body_hash, answer, legs: legsText(op), posts: postsText(op) }, at);
  return answer;
};

const answerOf = (
  decision: Exclude<Decision, { kind: "say" }>,
  { state, head }: Pick<Turn<AccountState>, "state" | "head">,
  { normalSide, currency }: PhysicalAccount,
  at: string,
): AccountAnswer => {
  if (decision.kind === "refuse") return { ok: false, final: true, rejection: decision.rejection };
  return {
    ok: true,
    state: decision.state === "tombstone" ? "voided" : decision.state,
    seq: head.seq,
    balance: formatMinor(balanceOf(state.counters, normalSide), currency),
    recorded_at: at,
  };
};
