import { SYSTEM } from "../../schema/events.ts";
import type { CoordinatorRpc, TrialBalance, VerifyReport } from "../../schema/rpc/coordinator.ts";
import type { Actor } from "../kit/actor.ts";
import { isoTime } from "../kit/clock.ts";
import type { ObjectEnv } from "../kit/env.ts";
import type { Pace } from "../kit/pace.ts";
import { startTimeout } from "../kit/timeout.ts";
import { takeCut } from "./cut.ts";
import { ReportTable } from "./report-table.ts";
import type { ShardState } from "./state.ts";
import { allStreams, type VerifyJob, verifySome } from "./verify.ts";

export const VERIFY_TIMER = "verify";
/** Above this many accounts a trial balance is the newest cut, unless a fresh one is asked for. */
const FRESH_UP_TO = 500;
const PROGRESS_EVERY_MS = 30_000;
/** Jobs a shard with a broken log keeps in memory. */
const MAX_UNWRITTEN = 16;

type Self = Pick<CoordinatorRpc, "cutShard" | "directory" | "verifyLog">;

/** What shard 0 does for the whole house: cuts, one at a time, and verification runs that survive a restart. */
export class Reports {
  readonly #actor: Actor<ShardState>;
  readonly #kept: ReportTable;
  readonly #env: ObjectEnv;
  readonly #shard: number;
  readonly #self: Self;
  readonly #pace: Pace;
  #cutting: Promise<TrialBalance> | null = null;
  readonly #verifying = new Set<string>();
  /** Jobs of a shard that may not write: they last as long as its memory. */
  readonly #unwritten = new Map<string, VerifyJob>();

  constructor(actor: Actor<ShardState>, env: ObjectEnv, shard: number, self: Self, pace: Pace) {
    this.#pace = pace;
    this.#actor = actor;
    this.#kept = new ReportTable(actor.sql);
    this.#env = env;
    this.#shard = shard;
    this.#self = self;
  }

  /** Callers that meet a cut under way share it: two at once would answer each other's epoch. */
  async trialBalance(fresh: boolean): Promise<TrialBalance> {
    const newest = this.#kept.read<TrialBalance>("cut");
    if (!fresh && newest !== null && Object.keys(newest.cut.accounts).length > FRESH_UP_TO) return newest;
    this.#cutting ??= this.#cut().finally(() => {
      this.#cutting = null;
    });
    return this.#cutting;
  }

  async #cut(): Promise<TrialBalance> {
    // The epoch of an abandoned cut is never used again: some shard may have moved past it already.
    const epoch = this.#actor.state.cutEpoch;
    const takenAt = isoTime(this.#actor.clock.now());
    await this.#self.cutShard(epoch, null);
    const self = { shard: this.#shard, cutShard: this.#self.cutShard };
    const balance = await takeCut(this.#env, self, epoch, takenAt, this.#pace);
    // Whole or not at all, though nothing of it is an event.
    this.#actor.turn(() => this.#kept.write("cut", "cut", balance));
    return balance;
  }

  async startVerify(waitMs: number): Promise<VerifyReport> {
    const streams = await this.#streams();
    const id = this.#actor.ids.next("vrf", this.#actor.clock.now());
    const report: VerifyReport = {
      id,
      done: false,
      ok: true,
      checked: { actors: 0, events: 0 },
      failures: [],
      progress: { done: 0, total: streams.length },
    };
    this.#keep({ report, after: "" });
    const ended = this.goOn(id, streams);
    const patience = Promise.withResolvers<void>();
    const callOff = startTimeout(waitMs, patience.resolve);
    await Promise.race([ended, patience.promise]);
    callOff();
    return this.report(id) ?? report;
  }

  report(id: string): VerifyReport | null {
    return this.#job(id)?.report ?? null;
  }

  /** Goes on with a run where its last kept batch left it. Never rejects: one that breaks off is gone on with by its timer. */
  async goOn(id: string, known?: readonly string[]): Promise<void> {
    if (this.#verifying.has(id)) return;
    this.#verifying.add(id);
    try {
      await this.#verify(id, known);
    } catch (error) {
      console.error(`verification ${id} broke off: ${error instanceof Error ? error.message : "failed"}`);
    } finally {
      this.#verifying.delete(id);
    }
  }

  async #verify(id: string, known?: readonly string[]): Promise<void> {
    let job = this.#job(id);
    if (job === null || job.report.done) return;
    const { after } = job;
    const self = { stream: this.#actor.log.stream, verifyLog: this.#self.verifyLog };
    const cut = this.#kept.read<TrialBalance>("cut");
    let left = (known ?? (await this.#streams())).filter((stream) => stream > after);
    while (!job.report.done) {
      job = await verifySome(this.#env, job, left, self, cut, this.#pace);
      this.#keep(job);
      left = left.slice(left.indexOf(job.after) + 1);
    }
  }

  #streams(): Promise<string[]> {
    return allStreams(this.#env, { shard: this.#shard, directory: this.#self.directory });
  }

  #keep(job: VerifyJob): void {
    // A shard whose own log is broken writes nothing, and that must not keep it from saying which logs are.
    if (this.#actor.closedDoor?.code === "upstream_unavailable") {
      this.#unwritten.set(job.report.id, job);
      const [oldest] = this.#unwritten.keys();
      if (this.#unwritten.size > MAX_UNWRITTEN && oldest !== undefined) this.#unwritten.delete(oldest);
      return;
    }
    this.#unwritten.delete(job.report.id);
    this.#actor.turn((turn) => {
      this.#kept.write(job.report.id, "verify", job);
      if (job.report.done) turn.timers.clear(VERIFY_TIMER, job.report.id);
      else turn.timers.set(VERIFY_TIMER, job.report.id, turn.now + PROGRESS_EVERY_MS);
    });
  }

  #job(id: string): VerifyJob | null {
    return this.#unwritten.get(id) ?? this.#kept.read<VerifyJob>(id);
  }
}

export const cutMeta = { principal: SYSTEM, correlation: "cut", causation: null };
