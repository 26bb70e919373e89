import { parseAccount } from "../../../schema/accounts.ts";
import { formatMinor, fromMinor, toMinor } from "../../../schema/money.ts";
import { type Rejection, reject } from "../../../schema/rejections.ts";
import type { AccountAnswer, AccountOp, AccountTerms, CutAnswer } from "../../../schema/rpc/account.ts";

type Side = "debit" | "credit";
type Word = { state: "reserved" | "posted" | "voided" | "refused"; bodyHash: string; answer: AccountAnswer };

/** An account as its contract has it, in memory: the first answer to a transfer is final, and a hold is posted or voided once. */
export class AccountModel {
  readonly name: string;
  /** By transfers; what the account began with is beside it. */
  readonly posted = { debit: 0n, credit: 0n };
  opening = 0n;
  readonly holds = new Map<string, { side: Side; amount: bigint }>();
  readonly words = new Map<string, Word>();
  /** Set to refuse everything new, credits too. */
  closed = false;
  /** Set to keep the door shut: it says nothing of any transfer. */
  shut: Rejection | null = null;
  /** The balance that may never be exceeded; null: none. */
  cap: bigint | null = null;
  readonly #parsed: NonNullable<ReturnType<typeof parseAccount>>;
  readonly #late = { epoch: 0, debit: 0n, credit: 0n };
  #seq = 0;

  constructor(name: string) {
    const parsed = parseAccount(name);
    if (parsed === null) throw new Error(`not an account: ${name}`);
    if (parsed.rules.stripes > 1 && parsed.stripe === null) throw new Error(`a logical account: ${name}`);
    this.name = name;
    this.#parsed = parsed;
  }

  get currency(): string {
    return this.#parsed.currency;
  }

  get balance(): bigint {
    const { debit, credit } = this.posted;
    return this.opening + (this.#parsed.rules.normalSide === "credit" ? credit - debit : debit - credit);
  }

  /** What may still leave a floor account; null: anything. */
  get available(): bigint | null {
    const { floor, normalSide } = this.#parsed.rules;
    if (floor === null) return null;
    let held = 0n;
    for (const { side, amount } of this.holds.values()) if (side !== normalSide) held += amount;
    return this.balance - held - floor;
  }

  /** What may still come in below the cap; null: anything. */
  get headroom(): bigint | null {
    if (this.cap === null) return null;
    let held = 0n;
    for (const { side, amount } of this.holds.values()) if (side === this.#parsed.rules.normalSide) held += amount;
    return this.cap - this.balance - held;
  }

  get terms(): AccountTerms {
    return { status: this.closed ? "closed" : "open", capped: this.cap !== null };
  }

  /** Sets a cap as low as the present state allows it, and at least `minor`. */
  limit(minor: bigint): void {
    this.cap = null;
    let full = this.balance;
    for (const { side, amount } of this.holds.values()) if (side === this.#parsed.rules.normalSide) full += amount;
    this.cap = minor > full ? minor : full;
  }

  apply(op: AccountOp): AccountAnswer {
    if (this.shut !== null) return { ok: false, final: false, rejection: this.shut };
    if (op.legs.length === 0 || op.legs.some((leg) => leg.account !== this.name)) throw new Error("not my legs");
    if (op.op === "post" && op.tag === null) throw new Error("posted without a tag");
    const word = this.words.get(op.transfer);
    if (word !== undefined && word.bodyHash !== op.body_hash) return no(reject("idempotency_mismatch", "").rejection);
    if (word?.state === "posted") return word.answer;
    if (word?.state === "voided") return op.op === "void" ? word.answer : no(reject("conflict", "voided").rejection);
    if (word?.state === "refused" && op.op !== "void") return word.answer;
    if (word?.state === "reserved" && op.op === "reserve") return word.answer;
    if (op.op === "void") {
      this.holds.delete(op.transfer);
      return this.#say(op, "voided");
    }
    const { side, amount } = totalOf(op);
    if (word?.state === "reserved") this.holds.delete(op.transfer);
    else {
      const refusal = this.#judge(side, amount);
      if (refusal !== null) {
        this.words.set(op.transfer, { state: "refused", bodyHash: op.body_hash, answer: no(refusal) });
        return no(refusal);
      }
    }
    if (op.op === "reserve") this.holds.set(op.transfer, { side, amount });
    else this.#post(side, amount, op.tag ?? 0);
    return this.#say(op, op.op === "reserve" ? "reserved" : "posted");
  }

  cut(epoch: number, listed: readonly string[]): CutAnswer {
    if (this.#late.epoch > epoch + 1) throw new Error("superseded");
    const late = this.#late.epoch > epoch ? this.#late : { debit: 0n, credit: 0n };
    return {
      account: this.name,
      debits: formatMinor(this.posted.debit - late.debit, this.currency),
      credits: formatMinor(this.posted.credit - late.credit, this.currency),
      seq: this.#seq,
      hash: "",
      applied: listed.filter((transfer) => this.words.get(transfer)?.state === "posted"),
    };
  }

  #judge(side: Side, amount: bigint): Rejection | null {
    if (this.closed) return reject("account_closed", "closed").rejection;
    const { available, headroom } = this;
    const lowers = side !== this.#parsed.rules.normalSide;
    if (!lowers && headroom !== null && amount > headroom) return reject("limit_exceeded", "full").rejection;
    if (available === null || !lowers || amount <= available) return null;
    return reject("insufficient_funds", "not enough", { available: fromMinor(available, this.currency) }).rejection;
  }

  #post(side: Side, amount: bigint, tag: number): void {
    this.posted[side] += amount;
    if (tag < this.#late.epoch) return;
    if (tag > this.#late.epoch) Object.assign(this.#late, { epoch: tag, debit: 0n, credit: 0n });
    this.#late[side] += amount;
  }

  #say(op: AccountOp, state: "reserved" | "posted" | "voided"): AccountAnswer {
    this.#seq++;
    const balance = formatMinor(this.balance, this.currency);
    const answer: AccountAnswer = { ok: true, state, seq: this.#seq, balance, recorded_at: "2100-01-01T00:00:00.000Z" };
    this.words.set(op.transfer, { state, bodyHash: op.body_hash, answer });
    return answer;
  }
}

const no = (rejection: Rejection): AccountAnswer => ({ ok: false, final: true, rejection });

const totalOf = (op: AccountOp): { side: Side; amount: bigint } => {
  const side = op.legs[0]?.direction ?? "debit";
  if (op.legs.some((leg) => leg.direction !== side)) throw new Error("an account on both sides");
  return { side, amount: op.legs.reduce((sum, leg) => sum + toMinor(leg.amount), 0n) };
};
