import { isLive, type Saga } from "../../schema/sagas.ts";
import type { Actor } from "../kit/actor.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { faultPoint } from "../kit/faults.ts";
import { fixEnd, requireCharge } from "./answers.ts";
import { transferRecord } from "./begin-transfer.ts";
import { perform } from "./calls/perform.ts";
import type { CallPort } from "./calls/port.ts";
import { advance, currentStep, needsCall, nextLook, parkBroken, takeUp } from "./decide.ts";
import { journalStep, liveSagas, loadSaga, SAGA_TIMER, type ShardTurn, WATCHDOG_MS } from "./journal.ts";
import type { ShardState } from "./state.ts";
import type { Waiters } from "./waiters.ts";

/** Live sagas taken up per page after a restart. */
const RESUME_PAGE = 100;

type Change = (saga: Saga, turn: ShardTurn) => Saga | null;

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

  constructor(actor: Actor<ShardState>, port: CallPort, waiters: Waiters, env: Pick<ObjectEnv, "FAULTS">) {
    this.#actor = actor;
    this.#port = port;
    this.#waiters = waiters;
    this.#env = env;
  }

  /** Changes a saga in the next group commit. Null when there is no such saga or the change came to nothing. */
  async change(id: string, change: Change): Promise<Saga | null> {
    const changed = await this.#actor.submit((turn) => {
      const before = loadSaga(turn.sql, id);
      if (before === null) return null;
      const after = this.#decide(before, change, turn);
      if (after === null) return null;
      const saga = journalStep(turn, before, after);
      fixEnd(turn, saga, saga.kind === "charge" ? requireCharge : transferRecord);
      return saga;
    });
    if (changed !== null) this.#waiters.notify(changed);
    return changed;
  }

  /** Makes the calls a saga needs, one after another, until it waits, ends, or somebody else drives it. */
  async drive(from: Saga): Promise<void> {
    let saga: Saga | null = from;
    this.#driving.set(from.id, (this.#driving.get(from.id) ?? 0) + 1);
    try {
      while (saga !== null && needsCall(saga, this.#actor.clock.now())) {
        const current: Saga = saga;
        const point = `${current.kind}:${currentStep(current).name}:${currentStep(current).phase}`;
        await faultPoint(this.#env, `${point}:intended`);
        const report = await perform(current, this.#port).catch((error: unknown) => {
          console.error(`saga ${current.id} ${point}: ${error instanceof Error ? error.message : "failed"}`);
          return { step: current.cursor, epoch: current.epoch, outcome: "unknown" as const };
        });
        await faultPoint(this.#env, `${point}:answered`);
        saga = await this.change(current.id, (saga, turn) => advance(saga, report, turn.now, turn.state.cutEpoch));
      }
      if (saga !== null && !isLive(saga)) await faultPoint(this.#env, `${saga.kind}:${saga.status}`);
    } finally {
      const count = (this.#driving.get(from.id) ?? 1) - 1;
      if (count > 0) this.#driving.set(from.id, count);
      else this.#driving.delete(from.id);
    }
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

  async #takeUp(id: string): Promise<void> {
    const saga = await this.change(id, (before, turn) => takeUp(before, turn.now)).catch(() => null);
    if (saga !== null) void this.drive(saga);
  }

  #decide(before: Saga, change: Change, turn: ShardTurn): Saga | null {
    try {
      return change(before, turn);
    } catch (error) {
      // A bug in one saga's rules stops that saga, not the batch it shares.
      console.error(`saga ${before.id} parked: ${error instanceof Error ? error.message : "failed"}`);
      return parkBroken(before, error instanceof Error ? error.name : "error", turn.now);
    }
  }
}
