import { DurableObject } from "cloudflare:workers";
import { type JsonObject, SYSTEM } from "../../schema/events.ts";
import type {
  GatewayAnswer,
  GatewayCall,
  GatewayRecord,
  GatewayRpc,
  InstrumentAnswer,
  QuarantineEntry,
} from "../../schema/rpc/gateway.ts";
import { streamOf } from "../../schema/streams.ts";
import { Actor } from "../kit/actor.ts";
import { isoTime } from "../kit/clock.ts";
import { type ObjectEnv, relayPort, settingsOf, UNLISTED_GATHER_MS } from "../kit/env.ts";
import type { Attempt, PspAdapter } from "./adapters/adapter.ts";
import { adapterOf } from "./adapters/registry.ts";
import { type BreakerPort, Breakers } from "./breaker.ts";
import { Bulkhead } from "./bulkhead.ts";
import { houseFingerprint } from "./fingerprint.ts";
import { Guard } from "./guard.ts";
import { migrations } from "./migrations.ts";
import { Quarantine } from "./quarantine.ts";
import { fold, type GatewayState, OPERATIONS } from "./state.ts";

const QUARANTINE_TIMER = "quarantine";
const CLOSED_DOOR_RETRY_MS = 1_000;

/**
 * The one way out to a payment provider, named by its connector, so that every isolate shares its breakers and its limit of calls
 * at once. It decides nothing about money: what a call came to is the coordinator's to journal.
 */
export class PspGateway extends DurableObject<ObjectEnv> implements GatewayRpc {
  readonly #actor: Actor<GatewayState>;
  readonly #connector: string;
  readonly #bulkhead = new Bulkhead();
  readonly #breakers: Breakers;
  readonly #quarantine: Quarantine;
  #provider: { adapter: PspAdapter; guard: Guard } | null = null;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    this.#connector = ctx.id.name ?? "";
    this.#actor = new Actor(ctx, {
      stream: streamOf.psp(this.#connector),
      fold,
      migrations,
      relay: relayPort(env, UNLISTED_GATHER_MS),
      onTimer: () => this.#expire(),
    });
    this.#breakers = new Breakers(this.#port());
    this.#quarantine = new Quarantine(ctx.storage.sql);
  }

  /** Makes calls to the provider, each if it may be made now. Never throws for anything the provider or the network does. */
  async execute(calls: GatewayCall[], answered: (index: number, answer: GatewayAnswer) => void): Promise<void> {
    // Awaited, for what was passed to this call is gone when it returns.
    await Promise.all(calls.map(async (call, index) => answered(index, await this.#execute(call))));
  }

  /** Whether the provider knows an instrument, by the house's fingerprint of it; `known: null` when that cannot be said now. */
  async lookupInstrument(token: string): Promise<InstrumentAnswer> {
    if (this.#actor.closedDoor !== null) return { known: null };
    const { adapter, guard } = this.#open();
    const guarded = await guard.run("lookup", "lookup", (signal) =>
      adapter.lookup(token, signal).catch((error) => broken<InstrumentAnswer>(error, { known: null })),
    );
    const answer: InstrumentAnswer = guarded.made ? guarded.answer : { known: null };
    return answer.known === true
      ? { known: true, fingerprint: houseFingerprint(this.#connector, answer.fingerprint) }
      : answer;
  }

  /** Keeps a message that could not be verified or routed; the oldest make room for it. Durable when it answers. */
  async quarantine(entry: QuarantineEntry): Promise<void> {
    this.#actor.turn(({ now, timers }) => {
      this.#quarantine.add(entry, now);
      if (timers.dueAt(QUARANTINE_TIMER, "") !== null) return;
      const due = this.#quarantine.expire(now);
      if (due !== null) timers.set(QUARANTINE_TIMER, "", due);
    });
  }

  async describe(): Promise<GatewayRecord & { quarantine_dropped: number }> {
    const { rows, dropped } = this.#quarantine.totals();
    return {
      connector: this.#connector,
      breakers: OPERATIONS.map((operation) => {
        const { state, openedAt } = this.#actor.state.breakers[operation];
        const opened_at = openedAt === null ? null : isoTime(openedAt);
        return { operation, state, failures: this.#breakers.faults(operation), opened_at };
      }),
      in_flight: this.#bulkhead.inFlight,
      quarantined: rows,
      quarantine_dropped: dropped,
    };
  }

  async eventsSince(after: number, limit: number) {
    return this.#actor.reads.eventsSince(after, limit);
  }

  async head() {
    return this.#actor.reads.head();
  }

  async verifyLog(after: number, prevHash: string, limit: number) {
    return this.#actor.reads.verifyLog(after, prevHash, limit);
  }

  async runDueTimers() {
    return this.#actor.runDueTimers();
  }

  override async alarm(delivery?: AlarmInvocationInfo) {
    await this.#actor.alarm(delivery);
  }

  async #execute(call: GatewayCall): Promise<GatewayAnswer> {
    const door = this.#actor.closedDoor;
    if (door !== null) return { outcome: "not_sent", retry_after_ms: CLOSED_DOOR_RETRY_MS, detail: door.detail };
    const { adapter, guard } = this.#open();
    const guarded = await guard.run(call.call, call.reference, (signal) =>
      perform(adapter, call, signal).catch((error) => broken<GatewayAnswer>(error, ADAPTER_FAILED)),
    );
    if (guarded.made) return guarded.answer;
    return { outcome: "not_sent", retry_after_ms: guarded.retryAfterMs, detail: guarded.detail };
  }

  /** The adapter, made with the first call: reads and the quarantine need no settings. */
  #open(): { adapter: PspAdapter; guard: Guard } {
    if (this.#provider === null) {
      const adapter = adapterOf(this.#connector, settingsOf(this.env));
      const guard = new Guard(this.#breakers, this.#bulkhead, this.#actor.clock, adapter.rules.timeoutMs);
      this.#provider = { adapter, guard };
    }
    return this.#provider;
  }

  #port(): BreakerPort {
    const connector = this.#connector;
    return {
      breaker: (operation) => this.#actor.state.breakers[operation],
      write: (type, operation, cause, { failures, openMs }) => {
        const data: JsonObject =
          type === "breaker.opened"
            ? { connector, operation, failures: String(failures), open_ms: String(openMs) }
            : { connector, operation };
        this.#actor.turn((turn) => turn.append(type, data, { principal: SYSTEM, correlation: cause, causation: null }));
      },
    };
  }

  #expire(): void {
    this.#actor.turn(({ now, timers }) => {
      const due = this.#quarantine.expire(now);
      if (due === null) timers.clear(QUARANTINE_TIMER, "");
      else timers.set(QUARANTINE_TIMER, "", Math.max(due, now + 1_000));
    });
  }
}

const ADAPTER_FAILED: GatewayAnswer = { outcome: "unknown", detail: "the adapter failed" };

/** An adapter that throws has a bug, and nothing is known of its call. Only the error's name is told: its text may quote anything. */
const broken = <A>(error: unknown, answer: A): Attempt<A> => {
  console.error(`gateway: an adapter threw ${error instanceof Error ? error.name : "something"}`);
  return { answer, fault: true };
};

const perform = (adapter: PspAdapter, call: GatewayCall, signal: AbortSignal): Promise<Attempt<GatewayAnswer>> => {
  switch (call.call) {
    case "capture":
      return adapter.capture(call, signal);
    case "query":
      return adapter.query(call.reference, signal);
    case "void":
      return adapter.void(call.reference, signal);
  }
};
