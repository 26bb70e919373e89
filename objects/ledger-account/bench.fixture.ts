import type { EventBody, JsonObject } from "../../schema/events.ts";
import { fromMinor } from "../../schema/money.ts";
import type { AccountAnswer, AccountCommand, AccountOp, CutAnswer } from "../../schema/rpc/account.ts";
import type { EventMeta, Head } from "../kit/event-log.ts";
import { type AccountState, openedState, type PhysicalAccount, physicalAccount } from "./account.ts";
import { applyOp } from "./apply.ts";
import { consequences } from "./consequences.ts";
import { answerCut } from "./cut.ts";
import type { Word } from "./decide.ts";
import { decideCommand } from "./decide-command.ts";
import { fold } from "./state.ts";

/** An account without a runtime: the same `applyOp`, with words in a map and a log in a list. For tests of what is pure. */
export class Bench {
  readonly account: PhysicalAccount;
  readonly events: EventBody[] = [];
  readonly words = new Map<string, Word>();
  state: AccountState;
  now = Date.UTC(2027, 0, 1);

  constructor(name: string, from?: Partial<AccountState>) {
    const account = physicalAccount(name);
    if (account === null) throw new Error(`not a physical account: ${name}`);
    this.account = account;
    this.state = from === undefined ? fold.initial : { ...openedState(account), ...from };
  }

  get head(): Head {
    const seq = this.events.length;
    return { seq, hash: seq.toString(16).padStart(64, "0"), recordedAt: this.events.at(-1)?.recorded_at ?? "" };
  }

  /** Appends and folds one event, as a turn does. */
  append(type: string, data: JsonObject, claim?: string): EventBody {
    const recorded_at = new Date(this.now).toISOString();
    const event: EventBody = {
      stream: `account/${this.account.name}`,
      seq: String(this.events.length + 1),
      id: `evt_${this.events.length + 1}`,
      type,
      version: "1",
      recorded_at,
      effective_at: claim ?? recorded_at,
      correlation: "req",
      causation: null,
      principal: { user: "system", client_id: "crowdpay" },
      data,
    };
    this.state = fold.evolve(this.state, event);
    this.events.push(event);
    return event;
  }

  /** One operation; what throws leaves nothing behind. */
  apply(op: AccountOp): AccountAnswer {
    const before = { state: this.state, length: this.events.length };
    const bench = this;
    const turn = {
      get state() {
        return bench.state;
      },
      get head() {
        return bench.head;
      },
      now: this.now,
      append: (type: string, data: JsonObject, { effectiveAt }: EventMeta) => this.append(type, data, effectiveAt),
    };
    const words = {
      find: (transfer: string) => this.words.get(transfer) ?? null,
      keep: ({ transfer }: AccountOp, word: Word) => void this.words.set(transfer, word),
    };
    try {
      return applyOp(turn, this.account, words, op);
    } catch (error) {
      this.state = before.state;
      this.events.length = before.length;
      throw error;
    }
  }

  /** An operator's command with what follows from it: the code of its refusal, or the types of the events it came to. */
  command(command: AccountCommand, open = false): string | string[] {
    const decided = decideCommand(this.account, this.state, command, open);
    if (!decided.ok) return decided.rejection.code;
    const before = this.events.length;
    for (const { type, data } of decided.value) this.append(type, data);
    for (const { type, data } of consequences(this.state)) this.append(type, data);
    return this.events.slice(before).map(({ type }) => type);
  }

  cut(epoch: number, listed: readonly string[]): CutAnswer {
    const posted = (transfers: readonly string[]) => transfers.filter((id) => this.words.get(id)?.state === "posted");
    return answerCut(this.account, this.state, this.head, epoch, listed, posted);
  }
}

type Part = { direction: "debit" | "credit"; minor: bigint };

/** An operation on one account; `body` tells transfers apart that share an id. */
export const opOn = (
  account: string,
  op: AccountOp["op"],
  transfer: string,
  parts: readonly Part[],
  rest: Partial<AccountOp> & { body?: string } = {},
): AccountOp => {
  const { body = "body", ...fields } = rest;
  const currency = account.split("#")[0]?.slice(-3) ?? "";
  return {
    op,
    transfer,
    saga: `sag_${transfer}`,
    body_hash: `${body} of ${transfer}`,
    legs: parts.map(({ direction, minor }, index) => ({
      index: String(index),
      account,
      direction,
      amount: fromMinor(minor, currency),
    })),
    open: true,
    tag: op === "post" ? 0 : null,
    charge: null,
    pod: null,
    reason: null,
    principal: { user: "system", client_id: "crowdpay" },
    correlation: "req",
    ...fields,
  };
};

/** The same operation for a part of its legs: minor units by the leg's index, whatever is not named left out. */
export const partOf = (op: AccountOp, minors: Readonly<Record<string, bigint>>): AccountOp => ({
  ...op,
  posts: op.legs.flatMap((leg) => {
    const minor = minors[leg.index];
    return minor === undefined ? [] : [{ ...leg, amount: fromMinor(minor, leg.amount.currency) }];
  }),
});

export const debit = (minor: bigint): Part[] => [{ direction: "debit", minor }];
export const credit = (minor: bigint): Part[] => [{ direction: "credit", minor }];

/** A word on an answer that fits in a table: its state, or its code. */
export const said = (answer: AccountAnswer): string => (answer.ok ? answer.state : answer.rejection.code);
