import { createIdSource, type IdSource, SHARDS } from "../../../schema/ids.ts";
import type { AccountOp } from "../../../schema/rpc/account.ts";
import type { InboxItem } from "../../../schema/rpc/coordinator.ts";
import type { DeskOp, HedgeCall } from "../../../schema/rpc/desk.ts";
import type { GatewayAnswer, GatewayCall } from "../../../schema/rpc/gateway.ts";
import type { PermitCall } from "../../../schema/rpc/pod.ts";
import type { RiskOp } from "../../../schema/rpc/risk.ts";
import type { ObjectEnv } from "../../kit/env.ts";
import type { CallTable } from "../calls/perform.ts";
import type { Answered } from "../together.ts";
import { takeWebhook } from "../webhooks.ts";
import { AccountModel } from "./accounts.ts";
import { DeskModel } from "./desk.ts";
import { checkStep } from "./invariants.ts";
import { type Faults, type InFlight, Network, NO_FAULTS } from "./network.ts";
import { PodModel, RiskModel } from "./people.ts";
import { type Payment, ProviderModel } from "./provider.ts";
import { type Random, seeded } from "./random.ts";
import { Shard, type Surroundings } from "./shard.ts";
import { Simulator } from "./simulator.ts";
import { TestStorage } from "./storage.ts";

export type WorldOptions = {
  seed: number;
  shards?: number;
  faults?: Faults;
  /** Ties on one millisecond are broken by chance; in the order they came to be otherwise. */
  shuffled?: boolean;
  /** What the steps of sagas call; as in production otherwise. */
  calls?: CallTable | undefined;
};

/** Storages of worlds that have ended, ready for the next. */
const storages: TestStorage[] = [];

const oneByKey = <T>(make: (key: string) => T): { all: Map<string, T>; get: (key: string) => T } => {
  const all = new Map<string, T>();
  const get = (key: string): T => {
    const found = all.get(key) ?? make(key);
    all.set(key, found);
    return found;
  };
  return { all, get };
};

/**
 * The coordinator as it is deployed (intake, driver, journal, calls, lanes, cut, webhooks) among models of everybody it talks to,
 * in virtual time. One seed is one history.
 */
export class World {
  readonly random: Random;
  readonly sim: Simulator;
  readonly network: Network;
  readonly provider: ProviderModel;
  readonly desk: DeskModel;
  readonly ids: IdSource;
  readonly accounts: { all: Map<string, AccountModel>; get: (name: string) => AccountModel };
  readonly pods = oneByKey(() => new PodModel());
  readonly people = oneByKey(() => new RiskModel());
  readonly shards: Shard[];
  /** What should never have happened, in the order it was seen. */
  readonly violations: string[] = [];
  /** Charges whose capture a shard was told of, and took in. */
  readonly heard = new Set<string>();
  /** Webhooks the shards said were not theirs. */
  unroutable = 0;
  #webhooks = 0;

  constructor(options: WorldOptions) {
    this.random = seeded(options.seed);
    let order = 0;
    this.sim = new Simulator(() => (options.shuffled ? this.random.next() : order++));
    this.network = new Network(this.sim, this.random, options.faults ?? NO_FAULTS);
    this.provider = new ProviderModel((delayMs, run) => void this.sim.after(delayMs, run, null));
    this.provider.announce = (payment) => this.#tell(payment);
    this.desk = new DeskModel(() => this.sim.now);
    this.ids = createIdSource((bytes) => {
      for (let at = 0; at < bytes.length; at++) bytes[at] = this.random.int(256);
    });
    this.accounts = oneByKey((name) => new AccountModel(name));
    // Code under test waits by the platform's global.
    Object.assign(globalThis, { scheduler: this.sim.scheduler });
    const around: Surroundings = {
      sim: this.sim,
      ids: this.ids,
      env: this.#env(),
      commitDelay: () => (this.random.chance(this.network.faults.slow) ? this.random.int(3_000) : 0),
      chance: () => this.random.next(),
      calls: options.calls,
      committed: (shard) => checkStep(this, shard),
    };
    this.shards = Array.from({ length: options.shards ?? 1 }, (_, number) => {
      const storage = storages.pop() ?? new TestStorage();
      storage.clear();
      return new Shard(number, { storage, journal: [] }, around);
    });
  }

  violated(what: string): void {
    if (this.violations.length < 20) this.violations.push(`${this.sim.happened}: ${what}`);
  }

  /** Runs something in a shard as if a call had come in; what it leaves behind dies with the shard's life. */
  at(shard: Shard, run: (shard: Shard) => void): void {
    this.sim.after(
      0,
      () => {
        void shard.parts;
        this.sim.current = shard.life;
        run(shard);
      },
      null,
    );
  }

  /** Kills a shard now; it wakes by its alarm or the next call, `downMs` later at the latest. */
  crash(shard: Shard, inFlight: InFlight, downMs: number): void {
    this.network.bereave(shard.life, inFlight);
    shard.crash();
    this.sim.after(downMs, () => void shard.parts, null);
  }

  /** Runs until `done`, or the virtual time given is over; true when it is done. */
  async run(untilMs: number, done: () => boolean): Promise<boolean> {
    const end = this.sim.now + untilMs;
    while (this.sim.now <= end) {
      if (done()) return true;
      if (!(await this.sim.step())) return done();
    }
    return done();
  }

  /** The storages go to the next world. */
  close(): void {
    for (const { disk, life } of this.shards) {
      life.alive = false;
      disk.storage.clear();
      storages.push(disk.storage);
    }
  }

  #env(): ObjectEnv {
    const byName = <A>(actor: (name: string) => A) => ({ getByName: actor });
    const guarded = <T>(handle: () => T): Promise<T> =>
      this.network.call(() => {
        try {
          return handle();
        } catch (error) {
          this.violated(String(error));
          throw error;
        }
      });
    const env = {
      PODS: byName((pod) => ({
        see: () => guarded(() => null),
        permits: (calls: PermitCall[]) => guarded(() => calls.map(({ op }) => this.pods.get(pod).apply(op))),
      })),
      RISK_PROFILES: byName((user) => ({
        applyOps: (ops: RiskOp[]) => guarded(() => ops.map((op) => this.people.get(user).apply(op))),
      })),
      ACCOUNTS: byName((name) => ({
        applyOps: (ops: AccountOp[]) => guarded(() => ops.map((op) => this.accounts.get(name).apply(op))),
        terms: () => guarded(() => this.accounts.get(name).terms),
        cut: (epoch: number, listed: string[]) => this.network.call(() => this.accounts.get(name).cut(epoch, listed)),
      })),
      GATEWAYS: byName(() => ({
        execute: (calls: GatewayCall[], answered: Answered<GatewayAnswer>) =>
          Promise.all(calls.map(async (call, at) => answered(at, await this.network.execute(this.provider, call)))),
        lookupInstrument: () => this.network.call(() => ({ known: true, fingerprint: "fp" })),
      })),
      FX_DESKS: byName(() => ({
        applyOps: (ops: DeskOp[]) => guarded(() => ops.map((op) => this.desk.apply(op))),
        hedge: (call: HedgeCall) => guarded(() => this.desk.hedge(call)),
        readQuote: (id: string, subject: string) => guarded(() => this.desk.readQuote(id, subject)),
      })),
      COORDINATORS: byName((name) => ({
        cutShard: (epoch: number, after: string | null) => this.#cutShard(name, epoch, after),
      })),
    };
    return env as unknown as ObjectEnv;
  }

  /** A call from one shard to another. A shard the world has not is one that never began anything. */
  #cutShard(name: string, epoch: number, after: string | null): Promise<unknown> {
    const shard = this.shards.find((one) => one.name === name);
    if (shard === undefined) {
      if (!/^shard-\d+$/.test(name) || Number(name.slice(6)) >= SHARDS) throw new Error(`no shard ${name}`);
      return Promise.resolve({ transfers: [], accounts: [], next: null });
    }
    const caller = this.sim.current;
    return new Promise((resolve, reject) => {
      this.at(shard, () => {
        const back = (run: () => void) => this.sim.after(this.network.delay(), run, caller);
        shard.cutShard(epoch, after).then(
          (page) => back(() => resolve(structuredClone(page))),
          (error) => back(() => reject(error)),
        );
      });
      // Its shard may die over it: somebody has to stop waiting.
      this.sim.after(20_000, () => reject(new Error("the shard was reset")), caller);
    });
  }

  /** The provider tells of a payment: up to three times, again while nobody took it, and before its own answer as likely as not. */
  #tell(payment: Payment): void {
    const copies = 1 + this.random.int(3);
    const event = `evt_${++this.#webhooks}`;
    const item: InboxItem = {
      provider: "sandbox",
      event,
      type: `payment.${payment.state}`,
      reference: payment.reference,
      state: payment.state,
      amount: payment.amount,
      provider_ref: payment.id,
      decline_reason: payment.state === "failed" ? "do_not_honor" : null,
      payload: "{}",
    };
    for (let copy = 0; copy < copies; copy++) this.sim.after(this.network.delay(), () => this.#deliver(item, 5), null);
  }

  #deliver(item: InboxItem, tries: number): void {
    if (this.network.isSilent) {
      this.sim.after(1_000, () => this.#deliver(item, tries), null);
      return;
    }
    if (this.random.chance(this.network.faults.webhookLost)) {
      if (tries > 1) this.sim.after(1_000, () => this.#deliver(item, tries - 1), null);
      return;
    }
    const shard = this.shards.find((one) => one.saga(item.reference.replace("chg_", "sag_")) !== null);
    if (shard === undefined) {
      this.unroutable++;
      return;
    }
    this.at(shard, () => {
      const { driver } = shard.parts;
      void takeWebhook(driver, item).then(({ fate, moved }) => {
        if (fate !== "unroutable" && item.state === "captured") this.heard.add(item.reference);
        return moved === null ? undefined : driver.drive(moved);
      });
    });
  }
}
