import type { EventBody, JsonObject } from "../../../schema/events.ts";
import { feeRates } from "../../../schema/fees.ts";
import type { IdSource } from "../../../schema/ids.ts";
import type { Rejection } from "../../../schema/rejections.ts";
import type { CoordinatorRpc } from "../../../schema/rpc/coordinator.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { shardName, streamOf } from "../../../schema/streams.ts";
import type { Actor, Command, Turn } from "../../kit/actor.ts";
import type { ObjectEnv } from "../../kit/env.ts";
import type { Gather } from "../../kit/gather.ts";
import { Mailbox, type Settled } from "../../kit/mailbox.ts";
import { Pace } from "../../kit/pace.ts";
import { localKeyService, SealedFields } from "../../kit/sealed-fields.ts";
import type { StartTimeout } from "../../kit/timeout.ts";
import { Timers } from "../../kit/timers.ts";
import { actorCalls } from "../calls/actors.ts";
import type { CallTable } from "../calls/perform.ts";
import { cutPage, moveEpoch } from "../cut.ts";
import { Driver } from "../driver.ts";
import { Intake } from "../intake.ts";
import { loadSaga, SAGA_TIMER, TELL_TIMER, WATCH_TIMER } from "../journal.ts";
import { cutMeta, Reports } from "../reports.ts";
import { fold, type ShardState } from "../state.ts";
import { Waiters } from "../waiters.ts";
import type { Life, Simulator } from "./simulator.ts";
import type { TestStorage } from "./storage.ts";

const KEK = Buffer.alloc(32, 7).toString("base64");

/** What outlives a crash. */
export type Disk = { storage: TestStorage; journal: EventBody[] };

/** What a shard needs of its world. */
export type Surroundings = {
  sim: Simulator;
  ids: IdSource;
  env: ObjectEnv;
  /** How long a commit takes to come, milliseconds. */
  commitDelay: () => number;
  /** Where in its gap a retry falls, 0 to 1. */
  chance: () => number;
  /** What the steps of sagas call; as in production otherwise. */
  calls?: CallTable | undefined;
  committed: (shard: Shard) => void;
};

const LIVE = "status IN ('running', 'waiting', 'compensating')";

/**
 * The actor's wiring as the coordinator uses it: group commit, savepoints, timers and a fold, over a journal that is an array.
 * Hash chain, relay and snapshots are the kit's to test.
 */
class ShardActor {
  readonly timers: Timers;
  readonly clock: { now(): number };
  readonly ids: IdSource;
  readonly log: { stream: string };
  readonly closedDoor = null;
  nearlyFull: Rejection | null = null;
  readonly gather: Gather;
  state: ShardState;
  readonly #disk: Disk;
  readonly #mailbox: Mailbox<Command<ShardState, unknown>>;
  readonly #committed: () => void;

  constructor(disk: Disk, { sim, ids, commitDelay }: Surroundings, stream: string, committed: () => void) {
    this.#disk = disk;
    this.#committed = committed;
    this.clock = { now: () => sim.now };
    this.ids = ids;
    this.log = { stream };
    this.gather = () => sim.scheduler.wait(0);
    this.timers = new Timers(disk.storage as unknown as DurableObjectStorage, this.clock);
    this.state = disk.journal.reduce(fold.evolve, fold.initial);
    this.#mailbox = new Mailbox(
      (commands) => commands.map((command) => this.#run(command)),
      () => sim.scheduler.wait(commitDelay()),
    );
  }

  get sql(): SqlStorage {
    return this.#disk.storage.sql as unknown as SqlStorage;
  }

  submit<T>(command: Command<ShardState, T>): Promise<T> {
    return this.#mailbox.submit(command) as Promise<T>;
  }

  turn<T>(command: Command<ShardState, T>): T {
    const settled = this.#run(command);
    if (!settled.ok) throw settled.error;
    return settled.value as T;
  }

  #run(command: Command<ShardState, unknown>): Settled {
    const events: EventBody[] = [];
    let state = this.state;
    const turn = {
      get state() {
        return state;
      },
      now: this.clock.now(),
      sql: this.sql,
      timers: this.timers,
      ids: this.ids,
      append: (type: string, data: JsonObject) => {
        const event = { type, data, recorded_at: new Date(this.clock.now()).toISOString() } as EventBody;
        events.push(event);
        state = fold.evolve(state, event);
        return event;
      },
    } as unknown as Turn<ShardState>;
    try {
      const value = this.#disk.storage.transactionSync(() => command(turn));
      this.state = state;
      this.#disk.journal.push(...events);
      this.#committed();
      return { ok: true, value };
    } catch (error) {
      this.timers.forget();
      return { ok: false, error };
    }
  }
}

type Parts = { driver: Driver; intake: Intake; reports: Reports; actor: ShardActor; waiters: Waiters };

/** One coordinator shard: its disk, and whichever life it is in. The wiring is the object's own, in the object's own order. */
export class Shard {
  readonly number: number;
  readonly disk: Disk;
  life: Life = { alive: false };
  readonly #sim: Simulator;
  readonly #around: Surroundings;
  #parts: Parts | null = null;
  #callOffAlarm: () => void = () => undefined;

  constructor(number: number, disk: Disk, around: Surroundings) {
    this.number = number;
    this.disk = disk;
    this.#sim = around.sim;
    this.#around = around;
    disk.storage.onAlarm = () => this.#armAlarm();
  }

  /** The object of this life; wakes it where there is none. */
  get parts(): Parts {
    return this.#parts ?? this.boot();
  }

  /** Everything in memory is gone, and with it whatever it waited for. */
  crash(): void {
    this.life.alive = false;
    this.#parts = null;
  }

  boot(): Parts {
    const life = { alive: true };
    const before = this.#sim.current;
    this.#sim.current = life;
    this.life = life;
    const { env } = this.#around;
    const stream = streamOf.saga(this.number);
    const actor = new ShardActor(this.disk, this.#around, stream, () => this.#around.committed(this));
    const asActor = actor as unknown as Actor<ShardState>;
    const timeout: StartTimeout = (ms, over) => this.#sim.after(ms, over);
    const waiters = new Waiters(timeout);
    const sealed = new SealedFields(actor.sql, localKeyService(KEK), stream);
    const port = actorCalls(
      env,
      sealed,
      (id) => this.saga(id),
      () => this.#sim.now,
      actor.gather,
      timeout,
    );
    const driver = new Driver(asActor, port, waiters, env, this.#around.chance, this.#around.calls);
    const fees = feeRates(undefined);
    const intake = new Intake({ actor: asActor, driver, waiters, sealed, env, shard: this.number, fees, timeout });
    const self = {
      cutShard: (epoch: number, after: string | null) => this.cutShard(epoch, after),
      directory: async () => ({ streams: [], next: null }),
      verifyLog: () => Promise.reject(new Error("not here")),
    };
    const reports = new Reports(asActor, env, this.number, self, new Pace());
    const parts = { driver, intake, reports, actor, waiters };
    this.#parts = parts;
    void actor.timers.wake();
    if (actor.state.live.length > 0) void driver.resume();
    this.#sim.current = before;
    return parts;
  }

  saga(id: string): Saga | null {
    return loadSaga(this.disk.storage.sql as unknown as SqlStorage, id);
  }

  get sagas(): Saga[] {
    return this.#select("SELECT doc FROM sagas ORDER BY id");
  }

  get waiting(): Saga[] {
    return this.#select("SELECT doc FROM sagas WHERE status = 'waiting' ORDER BY id");
  }

  get isIdle(): boolean {
    return this.#select(`SELECT doc FROM sagas WHERE ${LIVE} LIMIT 1`).length === 0;
  }

  /** True once every pod has been told of what was parked or taken up again. */
  get hasTold(): boolean {
    return this.disk.storage.sql.exec("SELECT 1 FROM timers WHERE kind = ? LIMIT 1", TELL_TIMER).toArray().length === 0;
  }

  /** Live sagas that the state does not list, or without a timer while no watch stands, or whose object has no alarm at its time: invariably none. */
  forgotten(): string[] {
    const { sql } = this.disk.storage;
    const dueAt = "SELECT due_at FROM timers WHERE kind = ? AND key =";
    const rows = sql.exec(
      `SELECT id, coalesce((${dueAt} id), (${dueAt} '')) AS due_at FROM sagas WHERE ${LIVE}`,
      SAGA_TIMER,
      WATCH_TIMER,
    );
    const alarm = this.disk.storage.alarm;
    const listed = this.#parts?.actor.state.live;
    return (rows.toArray() as { id: string; due_at: number | null }[])
      .filter(
        ({ id, due_at }) =>
          listed?.includes(id) === false ||
          due_at === null ||
          alarm === null ||
          alarm > Math.max(due_at, this.#sim.now + 30_000),
      )
      .map(({ id }) => id);
  }

  async cutShard(epoch: number, after: string | null): ReturnType<CoordinatorRpc["cutShard"]> {
    const { actor } = this.parts;
    if (after === null) await actor.submit((turn) => moveEpoch(turn, epoch, cutMeta));
    return cutPage(actor.sql, epoch, after);
  }

  get name(): string {
    return shardName(this.number);
  }

  #select(query: string): Saga[] {
    const rows = this.disk.storage.sql.exec(query).toArray() as { doc: string }[];
    return rows.map((row) => JSON.parse(row.doc) as Saga);
  }

  #armAlarm(): void {
    this.#callOffAlarm();
    const { alarm } = this.disk.storage;
    if (alarm === null) return;
    this.#callOffAlarm = this.#sim.after(alarm - this.#sim.now, () => this.#ring(), null);
  }

  #ring(): void {
    this.disk.storage.alarm = null;
    const { actor, driver } = this.parts;
    this.#sim.current = this.life;
    void actor.timers.run(
      async (timer) => {
        if (timer.kind === SAGA_TIMER) await driver.look(timer.key);
        else if (timer.kind === WATCH_TIMER) driver.watch();
        else if (timer.kind === TELL_TIMER) driver.tell(timer.key);
        else actor.timers.set(timer.kind, timer.key, this.#sim.now + 6 * 3_600_000);
      },
      (timer, error) => console.error(`timer ${timer.kind} ${timer.key}: ${String(error)}`),
    );
  }
}
