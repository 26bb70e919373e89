import type { EventBody, JsonObject, JsonValue } from "../../schema/events.ts";
import type { Clock, IdSource } from "../../schema/ids.ts";
import { type Rejection, reject } from "../../schema/rejections.ts";
import type { ActorRpc, LogHead } from "../../schema/rpc/actor.ts";
import { systemClock, systemIds } from "./clock.ts";
import { EventLog, type EventMeta, type Head } from "./event-log.ts";
import { Mailbox, type Settled } from "./mailbox.ts";
import { type Migration, migrate } from "./migrations.ts";
import { type Fault, recover, type StoredState } from "./recovery.ts";
import { GATHER_MS, RELAY_TIMER, Relay, type RelayPort } from "./relay.ts";
import { SNAPSHOT_EVERY, Snapshots } from "./snapshots.ts";
import { type Timer, Timers } from "./timers.ts";

/** How an actor's state follows from its log. All pure. */
export type Fold<S> = {
  initial: S;
  /** The state after an event, lifted to its current version. */
  evolve(state: S, event: EventBody): S;
  encode(state: S): JsonValue;
  decode(value: JsonValue): S;
  /**
   * A short text that two equal states share and, as far as money goes, two different ones do not: checked on waking. Its wording
   * is stored, so it never changes: a deployment that worded it differently would find fault with every actor.
   */
  summary(state: S): string;
};

/** What a command sees and does inside its savepoint. */
export type Turn<S> = {
  /** The draft: earlier commands of the same commit, and this one's own events, are in it. */
  readonly state: S;
  readonly head: Head;
  readonly now: number;
  readonly sql: SqlStorage;
  readonly timers: Timers;
  readonly ids: IdSource;
  /** Writes an event and folds it into the draft. */
  append(type: string, data: JsonObject, meta: EventMeta): EventBody;
};

export type Command<S, T> = (turn: Turn<S>) => T;

export type ActorOptions<S> = {
  stream: string;
  fold: Fold<S>;
  migrations: readonly Migration[];
  relay: RelayPort;
  /** Runs after each commit that appended, beside the relay. It never rejects: what it misses is its own to make good. */
  afterCommit?: () => Promise<void>;
  /** Timers other than the relay's. */
  onTimer?: (timer: Timer) => Promise<void> | void;
  clock?: Clock;
  ids?: IdSource;
};

type StateRow = StoredState & { sent_upto: number };

type Draft<S> = { state: S; head: Head };

/** SQLite's word on a statement that was wrong: it is undone with its savepoint, like any other throw. */
const STATEMENT_ERRORS = new Set(["CONSTRAINT", "ERROR", "MISMATCH", "RANGE", "TOOBIG"]);

/** Any other storage error means nothing is known of what was written: the object resets, and every caller tries again. */
const isStorageFault = (error: unknown): boolean => {
  const code = /\bSQLITE_([A-Z]+)/.exec(error instanceof Error ? error.message : "")?.[1];
  return code !== undefined && !STATEMENT_ERRORS.has(code);
};

/** An actor whose log is broken sends nothing on; it looks again this much later, so that it stays on the alarm's list. */
const FAULTY_RELAY_MS = 3_600_000;

/**
 * An actor's wiring, held by its Durable Object: log, fold, snapshots, relay, timers and mailbox over the storage it is given.
 * It knows nothing of what the actor decides.
 */
export class Actor<S> {
  readonly log: EventLog;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly #ctx: DurableObjectState;
  readonly #fold: Fold<S>;
  readonly #relay: Relay;
  readonly #snapshots: Snapshots;
  readonly #mailbox: Mailbox<Command<S, unknown>>;
  readonly #onTimer: (timer: Timer) => Promise<void> | void;
  readonly #afterCommit: (() => Promise<void>) | null;
  #current: Draft<S>;
  readonly #fault: Fault | null;
  #committing = false;

  constructor(ctx: DurableObjectState, options: ActorOptions<S>) {
    this.#ctx = ctx;
    this.#fold = options.fold;
    this.clock = options.clock ?? systemClock;
    this.ids = options.ids ?? systemIds;
    migrate(ctx.storage, options.migrations);
    this.log = new EventLog(ctx.storage.sql, options.stream, this.clock, this.ids);
    this.timers = new Timers(ctx.storage, this.clock);
    this.#snapshots = new Snapshots(ctx.storage.sql);
    this.#onTimer = options.onTimer ?? (() => undefined);
    this.#afterCommit = options.afterCommit ?? null;
    const stored = this.#storedState();
    const { state, head, fault } = recover(this.log, this.#snapshots, options.fold, stored);
    this.#current = { state, head };
    this.#fault = fault;
    if (fault !== null) console.error(`integrity: ${this.log.stream} at seq ${fault.seq}: ${fault.reason}`);
    const gather = () => scheduler.wait(GATHER_MS);
    this.#relay = new Relay(this.log, this.timers, this.clock, options.relay, stored?.sent_upto ?? 0, gather);
    this.#mailbox = new Mailbox(
      (commands) => this.#commit(commands),
      () => scheduler.wait(0),
    );
    ctx.waitUntil(this.timers.wake());
    if (fault === null && this.#relay.sentUpto < head.seq) ctx.waitUntil(this.#drain());
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
    if (this.#fault !== null) {
      return reject("upstream_unavailable", `this actor's log fails verification at seq ${this.#fault.seq}`).rejection;
    }
    return this.#mailbox.full
      ? reject("overloaded", "too many commands are waiting", { retry_after: 1 }).rejection
      : null;
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
  async alarm(): Promise<void> {
    await this.runDueTimers();
  }

  async runDueTimers(): Promise<number> {
    return this.timers.run(
      (timer) => (timer.kind === RELAY_TIMER ? this.#checkRelay() : this.#onTimer(timer)),
      (timer, error) => console.error(`timer ${timer.kind} of ${this.log.stream} failed: ${errorText(error)}`),
    );
  }

  /** The part of the RPC surface every actor shares. */
  readonly reads: Omit<ActorRpc, "runDueTimers"> = {
    eventsSince: async (after, limit) => this.log.read(after, limit),
    head: async (): Promise<LogHead> => ({
      stream: this.log.stream,
      seq: this.head.seq,
      hash: this.head.hash,
      sent_upto: this.#relay.sentUpto,
    }),
    verifyLog: async (after, prevHash, limit) => this.log.verify(after, prevHash, limit),
  };

  #commit(commands: Command<S, unknown>[]): Settled[] {
    if (this.#fault !== null) {
      const error = new Error(`refusing to write: ${this.log.stream} fails verification at seq ${this.#fault.seq}`);
      return commands.map(() => ({ ok: false, error }));
    }
    if (this.#committing) throw new Error("a turn inside a turn");
    this.#committing = true;
    const settled: Settled[] = [];
    let draft = this.#current;
    try {
      this.#ctx.storage.transactionSync(() => {
        for (const command of commands) {
          const done = this.#run(command, draft);
          settled.push(done.settled);
          draft = done.draft;
        }
        if (draft.head.seq !== this.#current.head.seq) this.#store(draft);
      });
    } catch (error) {
      // Ends the isolate's work on this object here and now: every caller meets a reset, which may be retried.
      this.#ctx.abort(`commit failed: ${errorText(error)}`);
      throw error;
    }
    this.#committing = false;
    const appended = draft.head.seq !== this.#current.head.seq;
    this.#current = draft;
    if (appended) {
      this.#ctx.waitUntil(this.#drain());
      if (this.#afterCommit !== null) this.#ctx.waitUntil(this.#afterCommit());
    }
    return settled;
  }

  /** One command in a savepoint of its own. A throw leaves the draft as it was, and undoes what the command wrote. */
  #run(command: Command<S, unknown>, from: Draft<S>): { settled: Settled; draft: Draft<S> } {
    let open = true;
    const turn = this.#open(from, () => open);
    try {
      const value = this.#ctx.storage.transactionSync(() => {
        const answer = command(turn);
        if (answer instanceof Promise)
          throw new TypeError("a command may not wait: its savepoint ends when it returns");
        return answer;
      });
      return { settled: { ok: true, value }, draft: { state: turn.state, head: turn.head } };
    } catch (error) {
      if (isStorageFault(error)) throw error;
      this.timers.forget();
      return { settled: { ok: false, error }, draft: from };
    } finally {
      open = false;
    }
  }

  #open(from: Draft<S>, isOpen: () => boolean): Turn<S> {
    let { state, head } = from;
    const { log, timers, ids } = this;
    const fold = this.#fold;
    return {
      get state() {
        return state;
      },
      get head() {
        return head;
      },
      now: this.clock.now(),
      sql: this.#ctx.storage.sql,
      timers,
      ids,
      append(type, data, meta) {
        if (!isOpen()) throw new Error(`event ${type} after its turn`);
        const appended = log.append(head, type, data, meta);
        state = fold.evolve(state, appended.event);
        head = appended.head;
        return appended.event;
      },
    };
  }

  /** The tail of a commit that appended: the stored state, a snapshot when one is due, the relay's timer. */
  #store(draft: Draft<S>): void {
    this.#ctx.storage.sql.exec(
      `INSERT INTO actor_state (id, seq, hash, summary, sent_upto) VALUES (1, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, summary = excluded.summary, sent_upto = excluded.sent_upto`,
      draft.head.seq,
      draft.head.hash,
      this.#fold.summary(draft.state),
      this.#relay.sentUpto,
    );
    const crossed = Math.floor(draft.head.seq / SNAPSHOT_EVERY) > Math.floor(this.#current.head.seq / SNAPSHOT_EVERY);
    if (crossed) this.#snapshots.write(draft.head.seq, draft.head.hash, this.#fold.encode(draft.state));
    this.#relay.arm();
  }

  #storedState(): StateRow | null {
    const [row] = this.#ctx.storage.sql
      .exec<StateRow>("SELECT seq, hash, summary, sent_upto FROM actor_state WHERE id = 1")
      .toArray();
    return row ?? null;
  }

  async #checkRelay(): Promise<void> {
    if (this.#fault !== null) {
      this.timers.set(RELAY_TIMER, "", this.clock.now() + FAULTY_RELAY_MS);
      return;
    }
    await this.#relay.check();
    // Should no commit follow, this is where the cursor is stored: or each waking would send the last run again.
    this.#ctx.storage.sql.exec(
      "UPDATE actor_state SET sent_upto = ?1 WHERE id = 1 AND sent_upto < ?1",
      this.#relay.sentUpto,
    );
  }

  /** A send that fails is not lost: the relay's timer is armed in the same commit as the events. */
  async #drain(): Promise<void> {
    await this.#relay.drain().catch((error: unknown) => {
      console.error(`relay of ${this.log.stream} could not send: ${errorText(error)}`);
    });
  }
}

const errorText = (error: unknown): string => (error instanceof Error ? error.message : "not an error");
