import { type Meta, SYSTEM } from "../../schema/events.ts";
import { SHARDS } from "../../schema/ids.ts";
import { accept, type Rejection, type Result, reject } from "../../schema/rejections.ts";
import type { Answered, CommandKey } from "../../schema/rpc/actor.ts";
import type { ClosePeriod, CoordinatorRpc, PeriodClosed } from "../../schema/rpc/coordinator.ts";
import { shardName } from "../../schema/streams.ts";
import type { Actor } from "../kit/actor.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { callActor } from "../kit/stub.ts";
import { findCommand, keyOf, mismatch, rememberCommand } from "./answers.ts";
import { transferInput } from "./definitions/ledger-transfer.ts";
import { loadSaga, type ShardTurn } from "./journal.ts";
import type { ShardState } from "./state.ts";

/** Set while some shard may not know of the newest end. */
export const PERIOD_TIMER = "period";
const AGAIN_MS = 5_000;
/** From the second round on: by then a shard that does not answer has something wrong with it. */
const LATER_MS = 60_000;

/** Why a transfer that claims a moment may not begin in this shard; null when it may. Judged in the commit that begins it. */
export const closedPeriod = (turn: ShardTurn, effectiveAt: string | undefined): Rejection | null => {
  const { closedUntil } = turn.state;
  if (effectiveAt === undefined || closedUntil === null || effectiveAt >= closedUntil) return null;
  return reject("conflict", `the books are closed until ${closedUntil}: nothing counts from before that any more`, {
    errors: [{ pointer: "/effective_at", detail: "lies in a closed period" }],
  }).rejection;
};

/** In one turn of a shard: the end moves on, never back. */
export const moveEnd = (turn: ShardTurn, until: string, reason: string | null, meta: Meta): void => {
  if (turn.state.closedUntil !== null && until <= turn.state.closedUntil) return;
  const { principal, correlation, causation } = meta;
  turn.append("period.closed", { until, reason }, { principal, correlation, causation });
};

/** Shard 0's turn of a closing: under one key it is decided once. Said again, by key or not, it is told to every shard again. */
const decide = (
  turn: ShardTurn,
  { until, reason }: ClosePeriod,
  scope: string | null,
  request: string,
  meta: Meta,
): Result<"now" | "before"> => {
  const row = scope === null ? null : findCommand(turn.sql, scope);
  if (row !== null) {
    const differs = mismatch(row, request);
    return differs === null ? accept("before") : { ok: false, rejection: differs };
  }
  if (Date.parse(until) > turn.now) {
    return reject("invalid_request", "the request is not valid", {
      errors: [{ pointer: "/until", detail: "must not be ahead of now" }],
    });
  }
  const { closedUntil } = turn.state;
  if (closedUntil !== null && until < closedUntil) {
    return reject("conflict", `the books are closed until ${closedUntil}, and are not opened again`);
  }
  moveEnd(turn, until, reason, meta);
  turn.timers.set(PERIOD_TIMER, "", turn.now + AGAIN_MS);
  if (scope !== null) {
    rememberCommand(turn, { scope, target: `period ${until}`, request, request_id: meta.correlation, status: "201" });
  }
  return accept("now");
};

/** Transfers begun before a period's end was known here that claim a moment in it and have not ended. */
export const underWay = (sql: SqlStorage, { live }: ShardState, until: string): number =>
  live.filter((id) => {
    const saga = loadSaga(sql, id);
    if (saga?.kind !== "ledger_transfer") return false;
    const { effective_at } = transferInput(saga);
    return effective_at !== undefined && effective_at < until;
  }).length;

/**
 * The books' closed periods. Shard 0 holds the end: its commit decides a closing, and a timer of the same commit does not rest
 * until every shard has journalled it. Each shard judges its own begins by its own journal, so a begin is before the end there
 * or refused; the closing is answered when that is so everywhere.
 */
export class Periods {
  readonly #actor: Actor<ShardState>;
  readonly #env: Pick<ObjectEnv, "COORDINATORS">;
  readonly #shard: number;

  constructor(actor: Actor<ShardState>, env: Pick<ObjectEnv, "COORDINATORS">, shard: number) {
    this.#actor = actor;
    this.#env = env;
    this.#shard = shard;
  }

  async close(command: ClosePeriod, key: CommandKey, meta: Meta): Promise<Result<Answered<PeriodClosed>>> {
    const door = this.#actor.closedDoor;
    if (door !== null) return { ok: false, rejection: door };
    const scope = keyOf(key, "");
    const decided = await this.#actor.submit((turn) => decide(turn, command, scope, key.request, meta));
    if (!decided.ok) return decided;
    try {
      const value = { until: command.until, in_flight: await this.#tellAll(command.until, meta) };
      return accept({ replayed: decided.value === "before", value });
    } catch (error) {
      console.error(`closing ${command.until}: ${error instanceof Error ? error.message : "failed"}`);
      return reject("upstream_unavailable", "the closing stands, and not every shard could be told yet: ask again", {
        retry_after: AGAIN_MS / 1_000,
      });
    }
  }

  async learn(until: string, meta: Meta): Promise<number> {
    await this.#actor.submit((turn) => moveEnd(turn, until, null, meta));
    return underWay(this.#actor.sql, this.#actor.state, until);
  }

  /** The timer's: whatever stopped the closing, every shard comes to know of it. */
  async goOn(): Promise<void> {
    this.#actor.turn((turn) => turn.timers.set(PERIOD_TIMER, "", turn.now + LATER_MS));
    const { closedUntil } = this.#actor.state;
    if (closedUntil !== null) await this.#tellAll(closedUntil, closing);
  }

  /** Tells every shard, one after another; throws when one cannot be reached, and the timer stays. */
  async #tellAll(until: string, meta: Meta): Promise<number> {
    let inFlight = underWay(this.#actor.sql, this.#actor.state, until);
    for (let shard = 0; shard < SHARDS; shard++) {
      if (shard === this.#shard) continue;
      inFlight += await callActor<CoordinatorRpc, number>(this.#env.COORDINATORS, shardName(shard), (actor) =>
        actor.learnPeriod(until, meta),
      );
    }
    this.#actor.turn((turn) => {
      // A later closing has set it anew, for an end this round did not tell.
      if (turn.state.closedUntil === until) turn.timers.clear(PERIOD_TIMER, "");
    });
    return inFlight;
  }
}

const closing: Meta = { principal: SYSTEM, correlation: "period", causation: null };
