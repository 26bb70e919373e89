import { DurableObject } from "cloudflare:workers";
import type { LogRow } from "../../schema/events.ts";
import { type Result, reject } from "../../schema/rejections.ts";
import type {
  AccountAnswer,
  AccountOp,
  AccountRecord,
  AccountRpc,
  BalanceRecord,
  CutAnswer,
  EntryRecord,
  StatementRange,
  StatementRecord,
} from "../../schema/rpc/account.ts";
import type { LogHead, LogVerdict } from "../../schema/rpc/actor.ts";
import { streamOf } from "../../schema/streams.ts";
import { Actor } from "../kit/actor.ts";
import { type ObjectEnv, relayPort } from "../kit/env.ts";
import { type AccountState, type PhysicalAccount, physicalAccount } from "./account.ts";
import { applyOp } from "./apply.ts";
import { answerCut } from "./cut.ts";
import { readEntries } from "./entries.ts";
import { migrations } from "./migrations.ts";
import { balanceAtMoment, balanceAtSeq } from "./past.ts";
import { fold } from "./state.ts";
import { readStatement } from "./statement.ts";
import { describeAccount } from "./view.ts";
import { postedAmong, type WordBook, wordBook } from "./words.ts";

/** Operations in one call: as many as one commit holds. */
export const MAX_OPS = 256;

/** One physical account, in one currency, named by it: the account side of every transfer that touches it. */
export class LedgerAccount extends DurableObject<ObjectEnv> implements AccountRpc {
  readonly #account: PhysicalAccount;
  readonly #actor: Actor<AccountState>;
  readonly #words: WordBook;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    const account = physicalAccount(ctx.id.name ?? "");
    if (account === null) throw new Error(`not a physical account: ${ctx.id.name}`);
    this.#account = account;
    this.#actor = new Actor(ctx, { stream: streamOf.account(account.name), fold, migrations, relay: relayPort(env) });
    this.#words = wordBook(ctx.storage.sql);
  }

  async applyOps(ops: AccountOp[]): Promise<AccountAnswer[]> {
    if (ops.length > MAX_OPS) throw new RangeError(`${ops.length} operations in one call, at most ${MAX_OPS} may be`);
    const door = this.#actor.closedDoor;
    if (door !== null) return ops.map(() => ({ ok: false, final: false, rejection: door }));
    return Promise.all(ops.map((op) => this.#apply(op)));
  }

  async describe(): Promise<AccountRecord | null> {
    return this.#actor.turn(({ state, head }) => describeAccount(state, head));
  }

  async entries(after: number, limit: number): Promise<EntryRecord[]> {
    return readEntries(this.ctx.storage.sql, this.#account.name, after, limit);
  }

  async statement(range: StatementRange): Promise<Result<StatementRecord>> {
    return readStatement(this.#actor.log, this.#actor.sql, this.#account, range);
  }

  async balanceAt(point: { seq: number } | { at: string }): Promise<Result<BalanceRecord>> {
    const { log, sql } = this.#actor;
    return "seq" in point
      ? balanceAtSeq(log, sql, this.#account, point.seq)
      : balanceAtMoment(log, sql, this.#account, point.at);
  }

  async cut(epoch: number, listed: string[]): Promise<CutAnswer> {
    return this.#actor.turn(({ state, head, sql }) =>
      answerCut(this.#account, state, head, epoch, listed, (transfers) => postedAmong(sql, transfers)),
    );
  }

  async eventsSince(after: number, limit: number): Promise<LogRow[]> {
    return this.#actor.reads.eventsSince(after, limit);
  }

  async head(): Promise<LogHead> {
    return this.#actor.reads.head();
  }

  async verifyLog(after: number, prevHash: string, limit: number): Promise<LogVerdict> {
    return this.#actor.reads.verifyLog(after, prevHash, limit);
  }

  async runDueTimers(): Promise<number> {
    return this.#actor.runDueTimers();
  }

  override async alarm(): Promise<void> {
    await this.#actor.alarm();
  }

  /** One operation in the next group commit. What throws is undone alone, and has said nothing of its transfer. */
  async #apply(op: AccountOp): Promise<AccountAnswer> {
    try {
      return await this.#actor.submit((turn) => applyOp(turn, this.#account, this.#words, op));
    } catch (error) {
      const reason = error instanceof Error ? error.message : "not an error";
      console.error(`${op.op} of ${op.transfer} failed at ${this.#account.name}: ${reason}`);
      return { ...reject("internal", "the operation failed and was undone"), final: false };
    }
  }
}
