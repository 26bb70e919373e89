import type { Meta } from "../../schema/events.ts";
import { type Rejection, reject } from "../../schema/rejections.ts";
import type { ChargeAnswer, TransferAnswer } from "../../schema/rpc/coordinator.ts";
import { isLive, type Saga } from "../../schema/sagas.ts";
import type { Actor } from "../kit/actor.ts";
import { type CommandRow, findAnswer, fixAnswer, mismatch, requireCharge } from "./answers.ts";
import { transferRecord } from "./begin-transfer.ts";
import type { Driver } from "./driver.ts";
import { type Committed, doesAt } from "./family.ts";
import { loadSaga } from "./journal.ts";
import type { ShardState } from "./state.ts";
import type { Waiters } from "./waiters.ts";

/** How long a call is held for the first word on a saga, whatever patience the caller has. Milliseconds. */
const DOOR_MS = 30_000;

/** What became of a command in the commit that was to begin its saga. */
export type Begun =
  | { kind: "begun"; id: string; family: Committed[] }
  | { kind: "known"; row: CommandRow }
  | { kind: "refused"; rejection: Rejection };

/** A command's answer before it is put into the words of its kind. */
export type Problem = { kind: "problem"; rejection: Rejection; request_id: string; replayed: boolean };
export type Settled = { kind: "resource"; status: 201 | 202; saga: Saga; kept: unknown; replayed: boolean } | Problem;

type Deps = { actor: Actor<ShardState>; driver: Driver; waiters: Waiters };

/**
 * What a command is answered: as soon as its saga has come to something, the same for ever once it is fixed, and in progress to
 * whoever asks again before.
 */
export class FirstAnswer {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Drives what was begun, and waits for its first answer; or answers as it stands. */
  async follow(begun: Begun, request: string, waitMs: number, meta: Meta): Promise<Settled> {
    if (begun.kind === "known") return this.replay(begun.row, request, waitMs, meta);
    if (begun.kind === "refused") return problem(begun.rejection, meta);
    const saga = this.#deps.driver.follow(begun.family, begun.id);
    if (saga !== null) void this.#deps.driver.drive(saga);
    return this.#await(begun.id, waitMs, meta);
  }

  /** The first answer again; while it is not fixed, in progress, unless nobody is waiting for it any more: then we are the first. */
  async replay(row: CommandRow, request: string, waitMs: number, meta: Meta): Promise<Settled> {
    const differs = mismatch(row, request);
    if (differs !== null) return problem(differs, meta);
    if (row.status === "problem") {
      const rejection = JSON.parse(row.answer ?? "null") as Rejection;
      return { kind: "problem", rejection, request_id: row.request_id, replayed: true };
    }
    const saga = this.#saga(row.target);
    if (row.status === "201") {
      return { kind: "resource", status: 201, saga, kept: JSON.parse(row.answer ?? "null"), replayed: true };
    }
    if (row.status === "202") return { kind: "resource", status: 202, saga, kept: null, replayed: true };
    // The edge's own second try, after a broken call, carries the same request id: it joins.
    if (this.#deps.waiters.has(saga.id) && row.request_id !== meta.correlation) {
      return problem(inProgress, meta);
    }
    return this.#await(saga.id, waitMs, meta);
  }

  async #await(id: string, waitMs: number, meta: Meta): Promise<Settled> {
    const { waiters, actor } = this.#deps;
    const started = actor.clock.now();
    const enough = (saga: Saga): boolean =>
      !isLive(saga) || (saga.status === "waiting" && doesAt(saga)?.type === "wait") || shutOut(saga) !== null;
    let saga = await waiters.until(id, () => this.#saga(id), enough, waitMs);
    if (!enough(saga) && !saga.shown) {
      const left = Math.max(1, DOOR_MS - (actor.clock.now() - started));
      saga = await waiters.until(
        id,
        () => this.#saga(id),
        (now) => enough(now) || now.shown,
        left,
      );
    }
    if (saga.failure?.cause === "refused" && !isLive(saga)) {
      const request_id = findAnswer(actor.sql, id)?.request_id ?? meta.correlation;
      return { ...problem(saga.failure.rejection, meta), request_id };
    }
    const shut = shutOut(saga);
    if (shut !== null) return problem(shut, meta);
    if (isLive(saga) && !saga.shown) return problem(inProgress, meta);
    const status = await this.#fixedStatus(id);
    return { kind: "resource", status, saga: this.#saga(id), kept: null, replayed: false };
  }

  /** The status that stands: fixed by the end, by a caller who lost patience before, or by this one now. */
  async #fixedStatus(id: string): Promise<201 | 202> {
    const { actor } = this.#deps;
    const standing = () => findAnswer(actor.sql, id)?.status;
    let status = standing();
    if (status === "open") {
      await actor.submit((turn) => fixAnswer(turn, id, "202", null));
      status = standing();
    }
    return status === "201" ? 201 : 202;
  }

  #saga(id: string): Saga {
    const saga = loadSaga(this.#deps.actor.sql, id);
    if (saga === null) throw new Error(`a command's saga ${id} is gone`);
    return saga;
  }
}

/** A refusal that nothing is kept of. */
export const problem = (rejection: Rejection, meta: Meta): Problem => ({
  kind: "problem",
  rejection,
  request_id: meta.correlation,
  replayed: false,
});

export const chargeAnswer = (settled: Settled): ChargeAnswer => {
  if (settled.kind === "problem") return settled;
  const kept = settled.kept as ReturnType<typeof requireCharge> | null;
  const { status, replayed } = settled;
  return { kind: "resource", status, charge: kept ?? requireCharge(settled.saga), replayed };
};

export const transferAnswer = (id: string, settled: Settled): TransferAnswer => {
  if (settled.kind === "problem") return settled;
  if (settled.saga.status !== "completed") return { kind: "processing", id, saga: settled.saga.id };
  const kept = settled.kept as ReturnType<typeof transferRecord> | null;
  return { kind: "resource", transfer: kept ?? transferRecord(settled.saga), replayed: settled.replayed };
};

/**
 * Why a saga stands still before its caller was told of anything: an actor it needs has shut its door. The caller is not kept
 * waiting for that and no answer is fixed: the saga tries on, and the same command tells what became of it.
 */
const shutOut = (saga: Saga): Rejection | null => {
  const error = saga.steps[saga.cursor]?.error ?? null;
  const told = saga.kind === "charge" && saga.shown;
  return isLive(saga) && !told && error?.code === "upstream_unavailable" ? error : null;
};

const inProgress = reject("idempotency_in_progress", "the first answer to this command is not fixed yet", {
  retry_after: 1,
}).rejection;
