import { DurableObject } from "cloudflare:workers";
import { type ChargeRecord, chargeOf } from "../../schema/charges.ts";
import type { Meta } from "../../schema/events.ts";
import { feeRates } from "../../schema/fees.ts";
import { shardOf } from "../../schema/ids.ts";
import { accept, type Result } from "../../schema/rejections.ts";
import type { Answered, CommandKey, KeyedAnswer } from "../../schema/rpc/actor.ts";
import type * as rpc from "../../schema/rpc/coordinator.ts";
import type { Saga } from "../../schema/sagas.ts";
import { type StreamKind, streamOf } from "../../schema/streams.ts";
import { Actor } from "../kit/actor.ts";
import { type ObjectEnv, relayPort, settingsOf } from "../kit/env.ts";
import { Pace } from "../kit/pace.ts";
import { localKeyService, SealedFields } from "../kit/sealed-fields.ts";
import type { Timer } from "../kit/timers.ts";
import { findCommand, forgetOld, keyOf, mismatch, PRUNE_EVERY_MS, PRUNE_TIMER, rememberCommand } from "./answers.ts";
import { runAll } from "./batch.ts";
import { actorCalls } from "./calls/actors.ts";
import { cutPage, moveEpoch } from "./cut.ts";
import { Driver } from "./driver.ts";
import { Intake } from "./intake.ts";
import { loadSaga, nameActors, SAGA_TIMER, type ShardTurn, TELL_TIMER, WATCH_TIMER } from "./journal.ts";
import { migrations } from "./migrations.ts";
import { cancelCharge, operateSaga, reviewCharge } from "./operations.ts";
import { PERIOD_TIMER, Periods } from "./periods.ts";
import { cutMeta, Reports, VERIFY_TIMER } from "./reports.ts";
import { seeTransfer } from "./reversals.ts";
import { fold, type ShardState } from "./state.ts";
import { Waiters } from "./waiters.ts";
import { sagaOfCharge, takeWebhook } from "./webhooks.ts";

/** Streams of a directory that are read, and named, in one call. */
const DIRECTORY_PAGE = 500;

type Claim = { id: string; claimed_before: boolean };

const bind = (turn: ShardTurn, scope: string, key: CommandKey, candidate: string): Result<Claim> => {
  const row = findCommand(turn.sql, scope);
  if (row === null) {
    rememberCommand(turn, { scope, target: candidate, request: key.request, request_id: "", status: "201" });
    return accept({ id: candidate, claimed_before: false });
  }
  const differs = mismatch(row, key.request);
  return differs === null ? accept({ id: row.target, claimed_before: true }) : { ok: false, rejection: differs };
};

/** One shard of the saga coordinator, named `shard-<n>`: journal, drive, and the doors that begin sagas. */
export class SagaCoordinator extends DurableObject<ObjectEnv> implements rpc.CoordinatorRpc {
  readonly #actor: Actor<ShardState>;
  readonly #waiters = new Waiters();
  readonly #driver: Driver;
  readonly #intake: Intake;
  readonly #reports: Reports;
  readonly #periods: Periods;
  /** Where the search for old commands goes on; a restart begins it anew. */
  #prunedUpto = "";

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    const shard = Number(/^shard-(\d+)$/.exec(ctx.id.name ?? "")?.[1] ?? Number.NaN);
    if (!Number.isInteger(shard)) throw new Error("a coordinator shard is named shard-<n>");
    const settings = settingsOf(env);
    this.#actor = new Actor(ctx, {
      stream: streamOf.saga(shard),
      fold,
      migrations,
      relay: relayPort(env),
      onTimer: (timer) => this.#onTimer(timer),
    });
    const actor = this.#actor;
    const sealed = new SealedFields(actor.sql, localKeyService(settings.KEK), actor.log.stream);
    const load = (id: string) => loadSaga(actor.sql, id);
    const port = actorCalls(env, sealed, load, () => actor.clock.now(), actor.gather);
    this.#driver = new Driver(actor, port, this.#waiters, env);
    const fees = feeRates(settings.CROWDPAY_FEES);
    this.#intake = new Intake({ actor, driver: this.#driver, waiters: this.#waiters, sealed, env, shard, fees });
    const self = {
      cutShard: (epoch: number, after: string | null) => this.cutShard(epoch, after),
      directory: (after: string | null) => this.directory(after),
      verifyLog: (after: number, hash: string, limit: number) => this.verifyLog(after, hash, limit),
    };
    this.#reports = new Reports(actor, env, shard, self, new Pace(settings.CROWDPAY_AWAKE));
    this.#periods = new Periods(actor, env, shard);
    // Whatever stopped this object, the sagas it left are taken up as it wakes.
    if (actor.closedDoor === null && actor.state.live.length > 0) ctx.waitUntil(this.#driver.resume());
  }

  createCharge(
    command: rpc.CreateCharge,
    key: CommandKey,
    waitMs: number,
    meta: Meta,
    policy: rpc.AskPolicy | null,
  ): Promise<rpc.ChargeAnswer> {
    return this.#intake.charge(command, key, waitMs, meta, policy);
  }

  createTransfer(command: rpc.CreateTransfer, waitMs: number, meta: Meta): Promise<rpc.TransferAnswer> {
    return this.#intake.transfer(command, waitMs, meta);
  }

  createTransfers(commands: rpc.CreateTransfer[], waitMs: number, meta: Meta): Promise<rpc.TransferAnswer[]> {
    return runAll(commands, (command) => this.#intake.transfer(command, waitMs, meta), meta.correlation);
  }

  claimReversal(command: rpc.ReverseTransfer, meta: Meta): Promise<Result<null>> {
    return this.#intake.claimReversal(command, meta);
  }

  createReversal(command: rpc.ReverseTransfer, waitMs: number, meta: Meta): Promise<rpc.TransferAnswer> {
    return this.#intake.reversal(command, waitMs, meta);
  }

  async transfer(id: string, reverses: string | null): Promise<rpc.TransferSeen | null> {
    return seeTransfer(this.#actor.sql, id, reverses);
  }

  closePeriod(command: rpc.ClosePeriod, key: CommandKey, meta: Meta): Promise<Result<Answered<rpc.PeriodClosed>>> {
    return this.#periods.close(command, key, meta);
  }

  learnPeriod(until: string, meta: Meta): Promise<number> {
    return this.#periods.learn(until, meta);
  }

  async charge(id: string): Promise<ChargeRecord | null> {
    const saga = this.#sagaOf(id);
    return saga === null ? null : chargeOf(saga);
  }

  async saga(id: string): Promise<Saga | null> {
    return shardOf("sag", id) === null ? null : loadSaga(this.#actor.sql, id);
  }

  operateSaga(
    id: string,
    command: rpc.OperateSaga,
    key: CommandKey,
    waitMs: number,
    meta: Meta,
  ): Promise<KeyedAnswer<rpc.OperatedSaga>> {
    return operateSaga(this.#words, id, command, key, waitMs, meta);
  }

  cancelCharge(id: string, key: CommandKey, meta: Meta): Promise<KeyedAnswer<ChargeRecord>> {
    return cancelCharge(this.#words, this.#sagaOf(id), key, meta);
  }

  reviewCharge(
    id: string,
    verdict: "approve" | "decline",
    note: string,
    key: CommandKey,
    meta: Meta,
  ): Promise<KeyedAnswer<ChargeRecord>> {
    return reviewCharge(this.#words, this.#sagaOf(id), verdict, note, key, meta);
  }

  async inbox(item: rpc.InboxItem): Promise<rpc.WebhookFate> {
    const { fate, moved } = await takeWebhook(this.#driver, item);
    if (moved !== null) this.ctx.waitUntil(this.#driver.drive(moved));
    return fate;
  }

  async claimId(key: CommandKey, candidate: string, kind?: StreamKind): Promise<Result<Claim>> {
    const scope = keyOf(key, "");
    if (scope === null && kind === undefined) return accept({ id: candidate, claimed_before: false });
    return this.#actor.submit((turn) => {
      const claim =
        scope === null ? accept({ id: candidate, claimed_before: false }) : bind(turn, scope, key, candidate);
      if (claim.ok && kind !== undefined) nameActors(turn, [`${kind}/${claim.value.id}`]);
      return claim;
    });
  }

  async nameStreams(streams: string[]): Promise<void> {
    if (streams.length > DIRECTORY_PAGE) throw new RangeError(`a call names at most ${DIRECTORY_PAGE} streams`);
    await this.#actor.submit((turn) => nameActors(turn, streams));
  }

  async cutShard(epoch: number, after: string | null): Promise<rpc.ShardCut> {
    if (after === null) await this.#actor.submit((turn) => moveEpoch(turn, epoch, cutMeta));
    return cutPage(this.#actor.sql, epoch, after);
  }

  trialBalance(fresh: boolean): Promise<rpc.TrialBalance> {
    return this.#reports.trialBalance(fresh);
  }

  startVerify(waitMs: number): Promise<rpc.VerifyReport> {
    return this.#reports.startVerify(waitMs);
  }

  async verifyReport(id: string): Promise<rpc.VerifyReport | null> {
    return this.#reports.report(id);
  }

  async directory(after: string | null, limit = DIRECTORY_PAGE): Promise<{ streams: string[]; next: string | null }> {
    const page = Math.max(1, Math.min(DIRECTORY_PAGE, Math.trunc(limit)));
    const rows = this.#actor.sql
      .exec<{ stream: string }>(
        "SELECT stream FROM directory WHERE stream > ? ORDER BY stream LIMIT ?",
        after ?? "",
        page,
      )
      .toArray();
    const streams = rows.map(({ stream }) => stream);
    return { streams, next: streams.length === page ? (streams.at(-1) ?? null) : null };
  }

  eventsSince(after: number, limit: number) {
    return this.#actor.reads.eventsSince(after, limit);
  }
  head() {
    return this.#actor.reads.head();
  }
  verifyLog(after: number, prevHash: string, limit: number) {
    return this.#actor.reads.verifyLog(after, prevHash, limit);
  }
  /** A look at a saga only sets it going, so that the alarm is not held up by a provider; who asks for timers waits for more. */
  async runDueTimers(): Promise<number> {
    const ran = await this.#actor.runDueTimers();
    await this.#driver.looked();
    return ran;
  }
  override alarm(delivery?: AlarmInvocationInfo): Promise<void> {
    return this.#actor.alarm(delivery);
  }

  #sagaOf(charge: string): Saga | null {
    const id = sagaOfCharge(charge);
    const saga = id === null ? null : loadSaga(this.#actor.sql, id);
    return saga?.kind === "charge" ? saga : null;
  }

  /** What somebody's word on a saga needs. */
  get #words() {
    return { sql: this.#actor.sql, driver: this.#driver, waiters: this.#waiters };
  }

  async #onTimer(timer: Timer): Promise<void> {
    if (timer.kind === SAGA_TIMER) await this.#driver.look(timer.key);
    else if (timer.kind === WATCH_TIMER) this.#driver.watch();
    else if (timer.kind === TELL_TIMER) this.#driver.tell(timer.key);
    // It may take minutes, and whatever else is due here would wait for its end. Each batch it keeps moves its timer on.
    else if (timer.kind === VERIFY_TIMER) this.ctx.waitUntil(this.#reports.goOn(timer.key));
    else if (timer.kind === PERIOD_TIMER) await this.#periods.goOn();
    else if (timer.kind === PRUNE_TIMER) this.#prune();
  }

  #prune(): void {
    this.#actor.turn((turn) => {
      const reached = forgetOld(turn, this.#prunedUpto);
      this.#prunedUpto = reached ?? "";
      turn.timers.set(PRUNE_TIMER, "", turn.now + (reached === null ? PRUNE_EVERY_MS : 1_000));
    });
  }
}
