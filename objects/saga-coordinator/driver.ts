import { isLive, type Saga } from "../../schema/sagas.ts";
import type { Actor } from "../kit/actor.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { faultPoint } from "../kit/faults.ts";
import { refusalIn } from "../kit/stub.ts";
import { fixEnd, requireCharge } from "./answers.ts";
import { hedgeBegunBy } from "./begin-hedge.ts";
import { transferRecord } from "./begin-transfer.ts";
import { perform } from "./calls/perform.ts";
import type { CallPort } from "./calls/port.ts";
import { advance, begin, parkBroken, takeUp } from "./decide.ts";
import { hedge } from "./definitions/hedge.ts";
import { journalBegin, journalStep, liveSagas, loadSaga, SAGA_TIMER, type ShardTurn, WATCHDOG_MS } from "./journal.ts";
import { leaveOriginal } from "./reversals.ts";
import { currentStep, isDue, needsCall, nextLook } from "./standing.ts";
import type { ShardState } from "./state.ts";
import type { Waiters } from "./waiters.ts";

/** Live sagas taken up per page after a restart. */
const RESUME_PAGE = 100;

/** What becomes of a saga; null: nothing. It may read the turn's clock and state, and writes nothing. */
export type Change = (saga: Saga, turn: ShardTurn) => Saga | null;
/** Writes of the same commit: before the change, which only goes on when it answers true. */
export type Guard = (saga: Saga, turn: ShardTurn) => boolean;

/**
 * Drives sagas: call, journal, call. Every change of a saga goes through `change`, so that journal, row, timer and answer are one
 * commit; what is in memory here is only which sagas are being driven just now, and losing it costs a look by the timer.
 */
export class Driver {
  readonly #actor: Actor<ShardState>;
  readonly #port: CallPort;
  readonly #waiters: Waiters;
  readonly #env: Pick<ObjectEnv, "FAULTS">;
  readonly #driving = new Map<string, number>();
  /** Drives that timers or a restart began; nobody waits for their end unless they ask. */
  readonly #begun = new Set<Promise<void>>();

  constructor(actor: Actor<ShardState>, port: CallPort, waiters: Waiters, env: Pick<ObjectEnv, "FAULTS">) {
    this.#actor = actor;
    this.#port = port;
    this.#waiters = waiters;
    this.#env = env;
  }

  /** Changes a saga in the next group commit. Null when there is no such saga or the change came to nothing. */
  async change(id: string, change: Change, guard?: Guard): Promise<Saga | null> {
    const committed = await this.#actor.submit((turn) => {
      const before = loadSaga(turn.sql, id);
      if (before === null || guard?.(before, turn) === false) return null;
      const after = this.#decide(before, change, turn);
      if (after === null) return null;
      const saga = journalStep(turn, before, after);
      if (saga.kind !== "hedge") fixEnd(turn, saga, saga.kind === "charge" ? requireCharge : transferRecord);
      leaveOriginal(turn, saga);
      const first = hedgeBegunBy(before, saga);
      const begun = first === null ? null : journalBegin(turn, begin(hedge, first, turn.now, turn.state.cutEpoch));
      return { saga, begun };
    });
    if (committed === null) return null;
    // Not waited for: the charge goes on, and a hedge that is lost here is found by its timer.
    if (committed.begun !== null) this.#begin(committed.begun);
    this.#waiters.notify(committed.saga);
    return committed.saga;
  }

  /**
   * Makes the calls a saga needs, one after another, until it waits, ends, or somebody else drives it. Never throws: what stops a
   * drive leaves the intent in the journal, and the timer takes the saga up again.
   */
  async drive(from: Saga): Promise<void> {
    this.#hold(from.id);
    try {
      for (let saga: Saga | null = from; saga !== null; ) saga = await this.#move(saga);
    } catch (error) {
      console.error(`the drive of saga ${from.id} broke off: ${error instanceof Error ? error.message : "failed"}`);
    } finally {
      this.#release(from.id);
    }
  }

  /** One call and its entry in the journal. Null when this drive has nothing more to do. */
  async #move(saga: Saga): Promise<Saga | null> {
    if (!isLive(saga)) {
      await faultPoint(this.#env, `${saga.kind}:${saga.status}`);
      return null;
    }
    if (!needsCall(saga)) return isDue(saga, this.#actor.clock.now()) ? this.#retry(saga) : null;
    const point = `${saga.kind}:${currentStep(saga).name}:${currentStep(saga).phase}`;
    await faultPoint(this.#env, `${point}:intended`);
    const report = await perform(saga, this.#port).catch((error: unknown) => {
      console.error(`saga ${saga.id} ${point}: ${error instanceof Error ? error.message : "failed"}`);
      const refusal = refusalIn(error);
      const why = refusal === null ? {} : { error: refusal };
      return { step: saga.cursor, epoch: saga.epoch, outcome: "unknown" as const, ...why };
    });
    await faultPoint(this.#env, `${point}:answered`);
    return this.change(saga.id, (before, turn) => advance(before, report, turn.now, turn.state.cutEpoch));
  }

  /** A retry that has fallen due already: its intent is journalled before it leaves, as any other's. */
  #retry(saga: Saga): Promise<Saga | null> {
    return this.change(saga.id, (before, turn) => (before.epoch === saga.epoch ? takeUp(before, turn.now) : null));
  }

  /** A saga's timer: drives it on, unless it is being driven or is gone. */
  async look(id: string): Promise<void> {
    if (this.#driving.has(id)) {
      this.#actor.turn((turn) => turn.timers.set(SAGA_TIMER, id, turn.now + WATCHDOG_MS));
      return;
    }
    await this.#takeUp(id);
    this.#actor.turn((turn) => {
      const saga = loadSaga(turn.sql, id);
      if (saga === null || !isLive(saga)) turn.timers.clear(SAGA_TIMER, id);
      else turn.timers.set(SAGA_TIMER, id, Math.max(turn.now + 50, nextLook(saga, turn.now, WATCHDOG_MS)));
    });
  }

  /** Resolves when the drives that timers have begun until now are over. */
  async looked(): Promise<void> {
    await Promise.all(this.#begun);
  }

  /** After a restart: every live saga is taken up at once, in pages, without waiting for its timer. */
  async resume(): Promise<void> {
    let after = "";
    for (;;) {
      const page = liveSagas(this.#actor.sql, after, RESUME_PAGE);
      for (const id of page) if (!this.#driving.has(id)) void this.#takeUp(id);
      after = page.at(-1) ?? "";
      if (page.length < RESUME_PAGE) return;
      await scheduler.wait(0);
    }
  }

  /** Held from before the commit, so that alarm and restart do not both take it up, each undoing the other's epoch. */
  async #takeUp(id: string): Promise<void> {
    this.#hold(id);
    try {
      const saga = await this.change(id, (before, turn) => takeUp(before, turn.now));
      if (saga !== null) this.#begin(saga);
    } catch (error) {
      console.error(`saga ${id} was not taken up: ${error instanceof Error ? error.message : "failed"}`);
    } finally {
      this.#release(id);
    }
  }

  #begin(saga: Saga): void {
    const drive = this.drive(saga).finally(() => this.#begun.delete(drive));
    this.#begun.add(drive);
  }

  #hold(id: string): void {
    this.#driving.set(id, (this.#driving.get(id) ?? 0) + 1);
  }

  #release(id: string): void {
    const count = (this.#driving.get(id) ?? 1) - 1;
    if (count > 0) this.#driving.set(id, count);
    else this.#driving.delete(id);
  }

  #decide(before: Saga, change: Change, turn: ShardTurn): Saga | null {
    try {
      return change(before, turn);
    } catch (error) {
      if (!isLive(before)) throw error;
      // A bug in one saga's rules stops that saga, not the batch it shares.
      console.error(`saga ${before.id} parked: ${error instanceof Error ? error.message : "failed"}`);
      return parkBroken(before, error instanceof Error ? error.name : "error", turn.now);
    }
  }
}
