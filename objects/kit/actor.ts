import type { Clock, IdSource } from "../../schema/ids.ts";
import { type Rejection, reject } from "../../schema/rejections.ts";
import type { ActorRpc, LogHead } from "../../schema/rpc/actor.ts";
import { BatchUndone, type Ground, type Ran, runApart, runTogether } from "./batch.ts";
import { systemClock, systemIds } from "./clock.ts";
import { EventLog, type Head } from "./event-log.ts";
import { type Gather, gathering } from "./gather.ts";
import { GROWTH, Growth, type GrowthRules } from "./growth.ts";
import { History } from "./history.ts";
import { Mailbox, type Settled } from "./mailbox.ts";
import { type Migration, migrate } from "./migrations.ts";
import { foldSealed, recover } from "./recovery.ts";
import { type LogPort, RELAY_TIMER, Relay } from "./relay.ts";
import { noteRelayed, readRelayed } from "./relayed.ts";
import { SEAL_TIMER, Sealer } from "./sealer.ts";
import { type Fault, SEGMENTS } from "./segments.ts";
import { SNAPSHOT_EVERY, Snapshots } from "./snapshots.ts";
import { ClosedDoor } from "./stub.ts";
import { type Occasion, type Timer, Timers } from "./timers.ts";
import type { Command, Draft, Fold } from "./turn.ts";

export type { Command, Fold, Turn } from "./turn.ts";

export type ActorOptions<S> = {
  stream: string;
  fold: Fold<S>;
  migrations: readonly Migration[];
  relay: LogPort;
  /** Runs after each commit that appended, beside the relay. It never rejects: what it misses is its own to make good. */
  afterCommit?: () => Promise<void>;
  /** Something has begun here whose end will be an event too: the relay waits for it a while. Never, when left out. */
  isOpen?: (state: S) => boolean;
  /** Timers other than the kit's own. */
  onTimer?: (timer: Timer) => Promise<void> | void;
  clock?: Clock;
  ids?: IdSource;
  /** Where the thresholds of sealing are not the house's, and how large the object is, in bytes. For tests. */
  growth?: Partial<GrowthRules> & { size?: () => number };
};

/** An actor whose log is broken sends nothing on and seals nothing; it looks again this much later, so that it stays on the alarm's list. */
const FAULTY_MS = 3_600_000;

/** How long sealed events are folded at one go on waking, of the 30 s that the platform lets an object keep its callers waiting. */
const FOLDING_MS = 20_000;

/**
 * An actor's wiring, held by its Durable Object: log, fold, snapshots, relay, timers and mailbox over the storage it is given.
 * It knows nothing of what the actor decides.
 */
export class Actor<S> {
  readonly log: EventLog;
  /** The whole log, with what of it is sealed. Its reads wait, and so have no place in a turn. */
  readonly history: History;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly ids: IdSource;
  /** For whoever shares this object's calls, as its commands share a commit. */
  readonly gather: Gather;
  readonly #ctx: DurableObjectState;
  readonly #fold: Fold<S>;
  readonly #relay: Relay;
  readonly #snapshots: Snapshots;
  readonly #growth: Growth;
  readonly #sealer: Sealer | null;
  readonly #mailbox: Mailbox<Command<S, unknown>>;
  readonly #onTimer: (timer: Timer) => Promise<void> | void;
  readonly #afterCommit: (() => Promise<void>) | null;
  readonly #ground: Ground<S>;
  #current: Draft<S>;
  #fault: Fault | null;
  #committing = false;

  constructor(ctx: DurableObjectState, options: ActorOptions<S>) {
    this.#ctx = ctx;
    this.#fold = options.fold;
    this.gather = gathering(ctx.storage);
    this.clock = options.clock ?? systemClock;
    this.ids = options.ids ?? systemIds;
    migrate(ctx.storage, [...options.migrations, SEGMENTS]);
    this.log = new EventLog(ctx.storage.sql, options.stream, this.clock, this.ids);
    this.timers = new Timers(ctx.storage, this.clock);
    this.#snapshots = new Snapshots(ctx.storage.sql);
    this.#onTimer = options.onTimer ?? (() => undefined);
    this.#afterCommit = options.afterCommit ?? null;
    const { relay } = options;
    const archive = relay.archive ?? null;
    const rules = { ...GROWTH, ...options.growth };
    this.history = new History(this.log, archive);
    this.#growth = new Growth(options.growth?.size ?? (() => ctx.storage.sql.databaseSize), rules);
    const relayed = readRelayed(ctx.storage.sql);
    const { state, head, fault, behind } = recover(this.log, this.#snapshots, options.fold, relayed);
    this.#current = { state, head, unwritten: [] };
    this.#fault = fault;
    const wait = (ms: number) => scheduler.wait(ms);
    // What is sealed was sent, though the cursor may have been stored before it was.
    const sentUpto = Math.max(relayed?.seq ?? 0, this.log.sealedUpto);
    const isOpen = () => options.isOpen?.(this.state) ?? false;
    this.#relay = new Relay(this.log, this.timers, this.clock, relay, sentUpto, wait, isOpen);
    this.#sealer =
      archive === null
        ? null
        : new Sealer({
            log: this.log,
            snapshots: this.#snapshots,
            timers: this.timers,
            clock: this.clock,
            growth: this.#growth,
            rules,
            archive,
            consumed: async () => Math.min(await relay.consumed(this.log.stream), this.#relay.sentUpto),
            commit: (write) => this.#atomically(write),
            onFault: (found) => this.#shut(found),
          });
    const { log, timers, clock, ids } = this;
    this.#ground = {
      place: () => ({ log, timers, ids, sql: ctx.storage.sql, now: clock.now() }),
      fold: options.fold,
      savepoint: (write) => ctx.storage.transactionSync(write),
      undone: () => timers.forget(),
    };
    this.#mailbox = new Mailbox((commands) => this.#commit(commands), this.gather);
    ctx.waitUntil(this.timers.wake());
    if (behind) void ctx.blockConcurrencyWhile(() => this.#foldSealed());
    else this.#awake();
  }

  #awake(): void {
    const fault = this.#fault;
    if (fault !== null) console.error(`integrity: ${this.log.stream} at seq ${fault.seq}: ${fault.reason}`);
    else if (this.#relay.sentUpto < this.head.seq) this.#ctx.waitUntil(this.#drain());
  }

  /**
   * Waking without a snapshot, of a log whose beginning is sealed: nobody is let in before the sealed events are folded. A log too
   * long for one go rejects, which resets the object; the next call goes on where this one stopped.
   */
  async #foldSealed(): Promise<void> {
    const until = Date.now() + FOLDING_MS;
    const sealed = await foldSealed(this.log, this.history, this.#snapshots, this.#fold, () => Date.now() < until);
    const woken =
      sealed.fault === null
        ? recover(this.log, this.#snapshots, this.#fold, readRelayed(this.sql))
        : { ...sealed, head: this.head };
    this.#current = { state: woken.state, head: woken.head, unwritten: [] };
    this.#fault = woken.fault;
    this.#awake();
  }

  get state(): S {
    return this.#current.state;
  }

  /** For reads outside a turn; writes belong in one. */
  get sql(): SqlStorage {
    return this.#ctx.storage.sql;
  }

  get head(): Head {
    return this.#current.head;
  }

  /** Why this actor takes no command now: its log does not add up, or too many are waiting. Null: come in. */
  get closedDoor(): Rejection | null {
    if (this.#fault !== null) return this.#broken(this.#fault);
    return this.#mailbox.full
      ? reject("overloaded", "too many commands are waiting", { retry_after: 1 }).rejection
      : null;
  }

  /** Why nothing new is begun, reserved or admitted here, though whatever was goes on to its end. Null: there is room. */
  get nearlyFull(): Rejection | null {
    return this.#growth.nearlyFull;
  }

  /** Runs one command in a commit of its own, now. Throws what the command throws, its writes undone. */
  turn<T>(command: Command<S, T>): T {
    const [settled] = this.#commit([command]);
    if (settled === undefined) throw new Error("a turn was lost");
    if (!settled.ok) throw settled.error;
    return settled.value as T;
  }

  /** Runs a command in the next group commit. Rejects with what the command threw, its writes alone undone. */
  submit<T>(command: Command<S, T>): Promise<T> {
    return this.#mailbox.submit(command) as Promise<T>;
  }

  /** The object's `alarm()`. */
  async alarm(delivery?: AlarmInvocationInfo): Promise<void> {
    await this.#runTimers(delivery?.isRetry === false ? "alarm" : "again");
  }

  async runDueTimers(): Promise<number> {
    return this.#runTimers("sweep");
  }

  #runTimers(occasion: Occasion): Promise<number> {
    return this.timers.run(
      (timer) => {
        if (timer.kind === RELAY_TIMER) return this.#checkRelay();
        return timer.kind === SEAL_TIMER ? this.#seal() : this.#onTimer(timer);
      },
      (timer, error) => console.error(`timer ${timer.kind} of ${this.log.stream} failed: ${errorText(error)}`),
      occasion,
    );
  }

  /** The part of the RPC surface every actor shares. */
  readonly reads: Omit<ActorRpc, "runDueTimers"> = {
    eventsSince: (after, limit) => this.history.read(after, limit),
    head: async (): Promise<LogHead> => ({
      stream: this.log.stream,
      seq: this.head.seq,
      hash: this.head.hash,
      sent_upto: this.#relay.sentUpto,
    }),
    verifyLog: async (after, prevHash, limit) => {
      const verdict = await this.history.verify(after, prevHash, limit);
      // A hash that is not this log's own proves nothing against it: the caller may have it wrong.
      if (verdict.failure !== null && (await this.history.hashAt(after)) === prevHash) this.#shut(verdict.failure);
      return verdict;
    },
  };

  /**
   * Shuts the door on a log that was found not to add up. Without snapshots, every later waking replays it from genesis and finds
   * the same, until the log is as it was.
   */
  #shut(fault: Fault): void {
    if (this.#fault !== null) return;
    this.#fault = fault;
    this.#snapshots.drop();
    this.#awake();
  }

  #broken({ seq }: Fault): Rejection {
    return reject("upstream_unavailable", `the log of ${this.log.stream} fails verification at seq ${seq}`).rejection;
  }

  async #seal(): Promise<void> {
    if (this.#fault === null && this.#sealer !== null) await this.#sealer.run();
    else this.timers.set(SEAL_TIMER, "", this.clock.now() + FAULTY_MS);
  }

  #commit(commands: Command<S, unknown>[]): Settled[] {
    if (this.#fault !== null) {
      const error = new ClosedDoor(this.#broken(this.#fault));
      return commands.map(() => ({ ok: false, error }));
    }
    if (this.#committing) throw new Error("a turn inside a turn");
    this.#committing = true;
    const { settled, draft } = this.#together(commands) ?? this.#apart(commands);
    this.#committing = false;
    const appended = draft.head.seq !== this.#current.head.seq;
    this.#current = { ...draft, unwritten: [] };
    if (appended) {
      this.#ctx.waitUntil(this.#drain());
      if (this.#afterCommit !== null) this.#ctx.waitUntil(this.#afterCommit());
    }
    return settled;
  }

  /** Null when a command threw and all is undone. A command may therefore be run a second time: it writes, and else changes nothing. */
  #together(commands: Command<S, unknown>[]): Ran<S> | null {
    try {
      return this.#atomically(() => this.#ranAndStored(runTogether(this.#ground, commands, this.#current)));
    } catch (error) {
      if (!(error instanceof BatchUndone)) throw error;
      this.timers.forget();
      return commands.length > 1 ? null : { settled: [{ ok: false, error: error.cause }], draft: this.#current };
    }
  }

  #apart(commands: Command<S, unknown>[]): Ran<S> {
    return this.#atomically(() => this.#ranAndStored(runApart(this.#ground, commands, this.#current)));
  }

  #ranAndStored(ran: Ran<S>): Ran<S> {
    if (ran.draft.head.seq !== this.#current.head.seq) this.#store(ran.draft);
    return ran;
  }

  #atomically<T>(write: () => T): T {
    try {
      return this.#ctx.storage.transactionSync(write);
    } catch (error) {
      if (error instanceof BatchUndone) throw error;
      // Ends the isolate's work on this object here and now: every caller meets a reset, which may be retried.
      this.#ctx.abort(`commit failed: ${errorText(error)}`);
      throw error;
    }
  }

  /** The tail of a commit that appended: its events, a snapshot when one is due, the relay's timer. */
  #store(draft: Draft<S>): void {
    this.log.write(draft.unwritten, this.#fold.summary(draft.state));
    const crossed = Math.floor(draft.head.seq / SNAPSHOT_EVERY) > Math.floor(this.#current.head.seq / SNAPSHOT_EVERY);
    if (crossed) {
      this.#snapshots.write(draft.head.seq, draft.head.hash, this.#fold.encode(draft.state));
      this.#growth.measure();
      this.#sealer?.arm();
    }
    this.#relay.arm();
  }

  async #checkRelay(): Promise<void> {
    if (this.#fault !== null) {
      this.timers.set(RELAY_TIMER, "", this.clock.now() + FAULTY_MS);
      return;
    }
    await this.#relay.check();
    noteRelayed(this.sql, this.log, this.#relay.sentUpto);
  }

  /** A send that fails is not lost: the relay's timer is armed in the same commit as the events. */
  async #drain(): Promise<void> {
    await this.#relay.drain().catch((error: unknown) => {
      console.error(`relay of ${this.log.stream} could not send: ${errorText(error)}`);
    });
  }
}

const errorText = (error: unknown): string => (error instanceof Error ? error.message : "not an error");
