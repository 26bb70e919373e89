import { DurableObject } from "cloudflare:workers";
import type { JsonObject } from "../../schema/events.ts";
import { type RiskRule, riskRules } from "../../schema/risk-rules.ts";
import type { RiskAnswer, RiskOp, RiskRpc } from "../../schema/rpc/risk.ts";
import { streamOf } from "../../schema/streams.ts";
import { Actor, type Turn } from "../kit/actor.ts";
import { type ObjectEnv, relayPort, settingsOf, UNLISTED_GATHER_MS } from "../kit/env.ts";
import { recordingTime } from "../kit/event-log.ts";
import { ClosedDoor } from "../kit/stub.ts";
import { Assessments } from "./assessments.ts";
import { decide } from "./decide.ts";
import { migrations } from "./migrations.ts";
import { fold, type RiskState } from "./state.ts";

/** Operations one call may carry. */
export const MAX_OPS = 256;
/** An answer is kept this long: far longer than a saga may take from its assessment to its pivot. */
export const KEPT_MS = 30 * 24 * 60 * 60 * 1000;
/** Rows forgotten in one turn. */
const PRUNE_BATCH = 500;
/** The oldest is found by reading all that a person has, so not more often than this unless there was a batch of them. Milliseconds. */
const PRUNE_EVERY_MS = 24 * 60 * 60 * 1000;
const PRUNE_TIMER = "prune";

/** One person's velocity windows, named by the user id. It calls nobody. */
export class RiskProfile extends DurableObject<ObjectEnv> implements RiskRpc {
  readonly #actor: Actor<RiskState>;
  readonly #assessments: Assessments;
  #rules: readonly RiskRule[] | null = null;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    this.#actor = new Actor(ctx, {
      stream: streamOf.risk(ctx.id.name ?? ""),
      fold,
      migrations,
      relay: relayPort(env, UNLISTED_GATHER_MS),
      onTimer: () => this.#prune(),
    });
    this.#assessments = new Assessments(ctx.storage.sql);
  }

  /**
   * One answer per operation, in order, each a command of its own. Throws when one of them could not be decided, which is a bug
   * or an infrastructure fault; the others are then done, and the same call made again is answered the same.
   */
  async applyOps(ops: RiskOp[]): Promise<RiskAnswer[]> {
    const door = this.#actor.closedDoor;
    if (door !== null) throw new ClosedDoor(door);
    if (ops.length > MAX_OPS) throw new RangeError(`at most ${MAX_OPS} operations a call`);
    this.#rules ??= riskRules(settingsOf(this.env).CROWDPAY_RISK);
    const rules = this.#rules;
    const settled = await Promise.allSettled(
      ops.map((op) => this.#actor.submit((turn) => this.#apply(turn, op, rules))),
    );
    return settled.map((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value;
    });
  }

  async eventsSince(after: number, limit: number) {
    return this.#actor.reads.eventsSince(after, limit);
  }

  async head() {
    return this.#actor.reads.head();
  }

  async verifyLog(after: number, prevHash: string, limit: number) {
    return this.#actor.reads.verifyLog(after, prevHash, limit);
  }

  async runDueTimers() {
    return this.#actor.runDueTimers();
  }

  override async alarm(delivery?: AlarmInvocationInfo) {
    await this.#actor.alarm(delivery);
  }

  #apply(turn: Turn<RiskState>, op: RiskOp, rules: readonly RiskRule[]): RiskAnswer {
    // As the log will record it, or what was counted while the clock was back would be taken out where it was not counted.
    const at = recordingTime(turn.head, turn.now);
    const { answer, change } = decide(turn.state, this.#assessments.find(op.saga), op, rules, at);
    if (change === null) return answer;
    const { principal, correlation, saga } = op;
    turn.append(change.event.type, change.event.data as JsonObject, { principal, correlation, causation: saga });
    this.#assessments.keep(change.keep);
    if (turn.timers.dueAt(PRUNE_TIMER, "") === null) turn.timers.set(PRUNE_TIMER, "", turn.now + KEPT_MS);
    return answer;
  }

  #prune(): void {
    this.#actor.turn(({ timers, now }) => {
      const gap = this.#assessments.prune(now - KEPT_MS, PRUNE_BATCH) < PRUNE_BATCH ? PRUNE_EVERY_MS : 1_000;
      const oldest = this.#assessments.oldest();
      if (oldest === null) timers.clear(PRUNE_TIMER, "");
      else timers.set(PRUNE_TIMER, "", Math.max(now + gap, oldest + KEPT_MS + 1));
    });
  }
}
