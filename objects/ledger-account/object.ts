import { DurableObject } from "cloudflare:workers";
import type { LogRow, Meta } from "../../schema/events.ts";
import type { MonitorRecord } from "../../schema/monitors.ts";
import { type Result, reject } from "../../schema/rejections.ts";
import type {
  AccountAnswer,
  AccountCommand,
  AccountCommandAnswer,
  AccountOp,
  AccountRecord,
  AccountRpc,
  AccountTerms,
  BalanceRecord,
  CutAnswer,
  EntryRecord,
  Explanation,
  StatementRange,
  StatementRecord,
} from "../../schema/rpc/account.ts";
import type { CommandKey, LogHead, LogVerdict } from "../../schema/rpc/actor.ts";
import { streamOf } from "../../schema/streams.ts";
import { Actor } from "../kit/actor.ts";
import { type ObjectEnv, relayPort } from "../kit/env.ts";
import { PRUNE_TIMER, pruneAnswers } from "../kit/kept-answers.ts";
import { metric } from "../kit/metrics.ts";
import { type AccountState, type PhysicalAccount, physicalAccount } from "./account.ts";
import { AGING_TIMER, agedHolds, tellOfOldHolds, watchHolds } from "./aging.ts";
import { applyOp } from "./apply.ts";
import { answerCut } from "./cut.ts";
import { readEntries } from "./entries.ts";
import { explain, explainNow } from "./explain.ts";
import { migrations } from "./migrations.ts";
import { balanceAtMoment, balanceAtSeq } from "./past.ts";
import { runCommand } from "./run-command.ts";
import { fold } from "./state.ts";
import { readStatement } from "./statement.ts";
import { describeAccount, monitorRecord } from "./view.ts";
import { postedAmong, type WordBook, wordBook } from "./words.ts";

/** Operations in one call: as many as one commit holds. */
export const MAX_OPS = 256;

/** One physical account, in one currency, named by it: the account side of every transfer that touches it. */
export class LedgerAccount extends DurableObject<ObjectEnv> implements AccountRpc {
  readonly #account: PhysicalAccount;
  readonly #actor: Actor<AccountState>;
  readonly #words: WordBook;
  /** What the gauge of old holds was last set to. */
  #agedShown = 0;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    const account = physicalAccount(ctx.id.name ?? "");
    if (account === null) throw new Error(`not a physical account: ${ctx.id.name}`);
    this.#account = account;
    this.#actor = new Actor(ctx, {
      stream: streamOf.account(account.name),
      fold,
      migrations,
      relay: relayPort(env),
      isOpen: ({ holds }) => holds.size > 0,
      onTimer: ({ kind }) => this.#onTimer(kind),
    });
    this.#words = wordBook(ctx.storage.sql);
    this.#agedShown = agedHolds(this.#actor.state);
    // Holds made before they were watched. A log that is not to be trusted is nobody's to tell of.
    if (this.#actor.closedDoor === null && this.#actor.state.holds.size > 0) watchHolds(this.#actor);
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

  async terms(): Promise<AccountTerms | null> {
    return this.#actor.turn(({ state: { account, status, cap } }) =>
      account === null ? null : { status, capped: cap !== null },
    );
  }

  /** A commit of its own, at once: it is the coordinator's operations that come in crowds. */
  async command(command: AccountCommand, open: boolean, key: CommandKey, meta: Meta): Promise<AccountCommandAnswer> {
    const door = this.#actor.closedDoor;
    if (door !== null) return { ok: false, rejection: door, replayed: false, request_id: meta.correlation };
    return this.#actor.turn((turn) => runCommand(turn, this.#account, command, open, key, meta));
  }

  async monitors(): Promise<MonitorRecord[]> {
    return this.#actor.turn(({ state }) =>
      [...state.monitors].map(([id, monitor]) => monitorRecord(id, monitor, this.#account)),
    );
  }

  async explain(after: number, limit: number): Promise<Explanation | null> {
    const now = this.#actor.turn(explainNow);
    return now === null ? null : explain(now, this.#actor.history, after, limit);
  }

  async entries(after: number, limit: number): Promise<EntryRecord[]> {
    return readEntries(this.#actor.history, this.#account.name, after, limit);
  }

  async statement(range: StatementRange): Promise<Result<StatementRecord>> {
    return readStatement(this.#actor.history, this.#actor.log.head().seq, this.#account, range);
  }

  async balanceAt(point: { seq: number } | { at: string }): Promise<Result<BalanceRecord>> {
    const { history, log } = this.#actor;
    const head = log.head().seq;
    return "seq" in point
      ? balanceAtSeq(history, head, this.#account, point.seq)
      : balanceAtMoment(history, head, this.#account, point.at);
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

  override async alarm(delivery?: AlarmInvocationInfo): Promise<void> {
    await this.#actor.alarm(delivery);
  }

  #onTimer(kind: string): void {
    if (kind === PRUNE_TIMER) this.#actor.turn(pruneAnswers);
    if (kind !== AGING_TIMER) return;
    this.#actor.turn(tellOfOldHolds);
    this.#showAged();
  }

  /** The gauge of holds older than a day: set when it changes, down as well as up. */
  #showAged(): void {
    const aged = agedHolds(this.#actor.state);
    if (aged === this.#agedShown) return;
    this.#agedShown = aged;
    metric("account.old_holds", aged, { account: this.#account.name });
  }

  /** One operation in the next group commit. What throws is undone alone, and has said nothing of its transfer. */
  async #apply(op: AccountOp): Promise<AccountAnswer> {
    // A hold made before is posted and voided however full it is; a new one waits until there is room.
    const full = op.op === "reserve" ? this.#actor.nearlyFull : null;
    if (full !== null && this.#words.find(op.transfer) === null) return { ok: false, final: false, rejection: full };
    try {
      const answer = await this.#actor.submit((turn) => {
        const said = applyOp(turn, this.#account, this.#words, op);
        if (op.op === "reserve") watchHolds(turn);
        return said;
      });
      if (this.#agedShown > 0) this.#showAged();
      return answer;
    } catch (error) {
      const reason = error instanceof Error ? error.message : "not an error";
      console.error(`${op.op} of ${op.transfer} failed at ${this.#account.name}: ${reason}`);
      return { ...reject("internal", "the operation failed and was undone"), final: false };
    }
  }
}
