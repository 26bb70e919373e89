import { parkCode } from "../../schema/saga-operations.ts";
import { isLive, type Saga } from "../../schema/sagas.ts";
import type { Actor } from "../kit/actor.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { faultPoint } from "../kit/faults.ts";
import { metric } from "../kit/metrics.ts";
import { advanceAll, aheadOf } from "./ahead.ts";
import { CALLS, type CallTable, perform } from "./calls/perform.ts";
import { announceStanding } from "./calls/pod.ts";
import type { CallPort } from "./calls/port.ts";
import { type StepReport, takeUp } from "./decide.ts";
import { type Committed, changeFamily, ruled } from "./family.ts";
import { type IdList, idsAfter } from "./id-list.ts";
import {
  leaveToWatch,
  loadSaga,
  lookAgain,
  type Said,
  type ShardTurn,
  TELL_TIMER,
  watchedSagas,
  watchOn,
} from "./journal.ts";
import { currentStep, isDue, needsCall } from "./standing.ts";
import type { ShardState } from "./state.ts";
import { brokenOff } from "./steps/move.ts";
import type { Waiters } from "./waiters.ts";

/** Live sagas taken up per page after a restart. */
const RESUME_PAGE = 100;

/** What becomes of a saga; null: nothing. It may read the turn's clock and state, and writes nothing. */
export type Change = (saga: Saga, turn: ShardTurn) => Saga | null;
/** Writes of the same commit: before the change, which only goes on when it answers true. */
export type Guard = (saga: Saga, turn: ShardTurn) => boolean;

/** Says in the log when a saga is parked or taken up again; the pod hears of it by its own timer. */
const reportStop = ({ before, saga: after }: Committed): void => {
  if (before === null || before.stops === after.stops) return;
  const reason = after.parked_reason ?? before.parked_reason ?? "";
  const name = after.status === "parked" ? "saga.parked" : "saga.resumed";
  metric(name, 1, { saga: after.id, kind: after.kind, reason: parkCode(reason) });
};

/**
 * Drives sagas: call, journal, call. Every change of a saga goes through `change`, so that journal, row, timer and answer are one
 * commit; what is in memory here is only which sagas are being driven just now, and losing it costs a look by the timer.
 */
export class Driver {
  readonly #actor: Actor<ShardState>;
  readonly #port: CallPort;
  readonly #waiters: Waiters;
  readonly #env: Pick<ObjectEnv, "FAULTS">;
  readonly #random: () => number;
  readonly #calls: CallTable;
  readonly #driving = new Map<string, number>();
  /** Drives that timers or a restart began; nobody waits for their end unless they ask. */
  readonly #begun = new Set<Promise<void>>();

  /** `random` draws from 0 to 1: where in its gap a retry falls. `calls`: what each step calls. */
  constructor(
    actor: Actor<ShardState>,
    port: CallPort,
    waiters: Waiters,
    env: Pick<ObjectEnv, "FAULTS">,
    random: () => number = Math.random,
    calls: CallTable = CALLS,
  ) {
    this.#actor = actor;
    this.#port = port;
    this.#waiters = waiters;
    this.#env = env;
    this.#random = random;
    this.#calls = calls;
  }

  /** Changes a saga in the next group commit, on somebody's word where `said` has it. Null when there is no such saga or the change came to nothing. */
  async change(id: string, change: Change, guard?: Guard, said?: Said): Promise<Saga | null> {
    const committed = await this.#actor.submit((turn) => {
      const before = loadSaga(turn.sql, id);
      if (before === null || guard?.(before, turn) === false) return null;
      const after = ruled(before, turn.now, (saga) => change(saga, turn));
      if (after === null) return null;
      return changeFamily(turn, before, after, said);
    });
    if (committed === null) return null;
    for (const one of committed) reportStop(one);
    return this.follow(committed, id);
  }

  /**
   * What a commit has changed, seen by whoever waits for it, and driven on. The saga `id` is not, for that is the caller's: it is
   * answered. The others are not waited for; one that is lost here is found by its timer.
   */
  follow(committed: readonly Committed[], id: string): Saga | null {
    let own: Saga | null = null;
    for (const [changed, saga] of new Map(committed.map((one) => [one.saga.id, one.saga]))) {
      this.#waiters.notify(saga);
      if (changed === id) own = saga;
      else this.#begin(saga);
    }
    return own;
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

  /** A call, those that may follow ahead of the journal, and their entry in it. Null when this drive has nothing more to do. */
  async #move(saga: Saga): Promise<Saga | null> {
    if (!isLive(saga)) {
      await faultPoint(this.#env, `${saga.kind}:${saga.status}`);
      return null;
    }
    if (!needsCall(saga)) return isDue(saga, this.#actor.clock.now()) ? this.#retry(saga) : null;
    const reports: StepReport[] = [];
    for (let at: Saga | null = saga; at !== null; ) {
      const report = await this.#call(at);
      reports.push(report);
      at = aheadOf(at, report, this.#actor.clock.now());
    }
    const chance = this.#random();
    return this.change(saga.id, (before, turn) => advanceAll(before, reports, turn.now, turn.state.cutEpoch, chance));
  }

  async #call(saga: Saga): Promise<StepReport> {
    const point = `${saga.kind}:${currentStep(saga).name}:${currentStep(saga).phase}`;
    await faultPoint(this.#env, `${point}:intended`);
    const report = await perform(saga, this.#port, this.#calls).catch((error: unknown) => {
      console.error(`saga ${saga.id} ${point}: ${error instanceof Error ? error.message : "failed"}`);
      return { step: saga.cursor, epoch: saga.epoch, ...brokenOff(error) };
    });
    await faultPoint(this.#env, `${point}:answered`);
    return report;
  }

  /** A retry that has fallen due already: its intent is journalled before it leaves, as any other's. */
  #retry(saga: Saga): Promise<Saga | null> {
    return this.change(saga.id, (before, turn) => (before.epoch === saga.epoch ? takeUp(before, turn.now) : null));
  }

  /** A saga's timer: drives it on, unless it is being driven or is gone. */
  async look(id: string): Promise<void> {
    if (this.#driving.has(id)) {
      this.#actor.turn((turn) => leaveToWatch(turn, id));
      return;
    }
    await this.#takeUp(id);
    this.#actor.turn((turn) => lookAgain(turn, id));
  }

  /** The shard's watch: takes up what has no timer of its own and nobody drives. */
  watch(): void {
    void this.#takeUpAll((after, limit) => watchedSagas(this.#actor.sql, this.#actor.state, after, limit));
    this.#actor.turn(watchOn);
  }

  /**
   * Tells a charge's pod that it was parked or taken up again. It is not waited for: pods that do not answer would hold up whatever else
   * is due. Its timer comes back until the pod has it.
   */
  tell(id: string): void {
    const failed = (error: unknown) =>
      console.error(`no pod was told of ${id}: ${error instanceof Error ? error.message : "failed"}`);
    this.#note(this.#tell(id).catch(failed));
  }

  async #tell(id: string): Promise<void> {
    const saga = loadSaga(this.#actor.sql, id);
    if (saga !== null) await announceStanding(saga, this.#port);
    this.#actor.turn((turn) => {
      // What has become of it meanwhile has its own timer, and this is it.
      if (loadSaga(turn.sql, id)?.stops === saga?.stops) turn.timers.clear(TELL_TIMER, id);
    });
  }

  /** Resolves when what timers have begun until now is over. */
  async looked(): Promise<void> {
    await Promise.all(this.#begun);
  }

  /** After a restart: every live saga is taken up at once, in pages, without waiting for its timer. */
  resume(): Promise<void> {
    return this.#takeUpAll((after, limit) => idsAfter(this.#actor.state.live, after, limit));
  }

  async #takeUpAll(read: (after: string, limit: number) => IdList): Promise<void> {
    let after = "";
    for (;;) {
      const page = read(after, RESUME_PAGE);
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
    this.#note(this.drive(saga));
  }

  /** Work that is not waited for, until it is over. It never rejects. */
  #note(work: Promise<void>): void {
    const noted = work.finally(() => this.#begun.delete(noted));
    this.#begun.add(noted);
  }

  #hold(id: string): void {
    this.#driving.set(id, (this.#driving.get(id) ?? 0) + 1);
  }

  #release(id: string): void {
    const count = (this.#driving.get(id) ?? 1) - 1;
    if (count > 0) this.#driving.set(id, count);
    else this.#driving.delete(id);
  }
}
