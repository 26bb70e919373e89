import { DurableObject } from "cloudflare:workers";
import type { RunMessage } from "../../../schema/run-message.ts";
import { Actor, type Fold } from "../actor.ts";
import type { Archive } from "../archive.ts";
import { type ObjectEnv, relayPort } from "../env.ts";
import type { GrowthRules } from "../growth.ts";
import type { LogPort } from "../relay.ts";
import type { Timer } from "../timers.ts";
import generated from "./migrations/0000_kit.sql";

export type CounterEnv = Pick<ObjectEnv, "READ_MODEL" | "LOGS"> & {
  COUNTERS: DurableObjectNamespace<Counter>;
  EVENTS: Queue<RunMessage>;
};

/** One row of `events` with a summary is written a commit that appends: this counts them. */
const COMMITS = `CREATE TABLE commits (n INTEGER NOT NULL);
INSERT INTO commits VALUES (0);
CREATE TRIGGER a_commit AFTER INSERT ON events WHEN NEW.summary IS NOT NULL BEGIN UPDATE commits SET n = n + 1; END;`;

const MIGRATIONS = [
  { id: "0000_kit", sql: generated },
  { id: "0001_commits", sql: COMMITS },
];

export type Tally = { total: bigint; notes: string[] };

/** The total of all that was added, and every note that was left. A total of 666 cannot be summed up: a bug to test with. */
export const tally: Fold<Tally> = {
  initial: { total: 0n, notes: [] },
  evolve: (state, { data }) => ({
    total: state.total + BigInt(String(data.amount)),
    notes: typeof data.note === "string" ? [...state.notes, data.note] : state.notes,
  }),
  encode: ({ total, notes }) => ({ total: String(total), notes }),
  decode: (value) => {
    const { total, notes } = value as { total: string; notes: string[] };
    return { total: BigInt(total), notes };
  },
  summary: ({ total, notes }) => {
    if (total === 666n) throw new Error("no summary of this");
    return `${total}/${notes.length}`;
  },
};

/** A queue that takes nothing while this is set, for every counter. */
export const outage = { queue: false };

/** A step of sealing: the archive has written, or has read; the consumers' checkpoints are about to be asked for. */
export type SealingStep = "put" | "read" | "asking";
/** What happens to a counter there. */
export const interruption: { at: (step: SealingStep, ctx: DurableObjectState) => void | Promise<void> } = {
  at: () => undefined,
};

/** Small enough to seal a counter of a few hundred events; `size`: what it is believed to hold, in bytes. */
export const growth: Partial<GrowthRules> & { size: () => number } = { segmentEvents: 100, size: () => 0 };

const interrupted = (archive: Archive, ctx: DurableObjectState): Archive => ({
  async put(key, text) {
    await archive.put(key, text);
    await interruption.at("put", ctx);
  },
  async get(key) {
    const text = await archive.get(key);
    await interruption.at("read", ctx);
    return text;
  },
});

const relayOf = (env: CounterEnv, ctx: DurableObjectState): LogPort => {
  const port = relayPort(env);
  return {
    ...port,
    ...(port.archive === undefined ? {} : { archive: interrupted(port.archive, ctx) }),
    consumed: async (stream) => {
      await interruption.at("asking", ctx);
      return port.consumed(stream);
    },
    send: async (runs) => {
      if (outage.queue) throw new Error("the queue is down");
      await port.send(runs);
    },
  };
};

export const META = { principal: { user: "ann", client_id: "tests" }, correlation: "req_test", causation: null };

/** The smallest actor: what it counts is money enough to test the kit with. */
export class Counter extends DurableObject<CounterEnv> {
  readonly actor: Actor<Tally>;
  readonly fired: Timer[] = [];
  /** What a timer does, beside being noted. */
  onTimer: (timer: Timer) => Promise<void> | void = () => undefined;

  constructor(ctx: DurableObjectState, env: CounterEnv) {
    super(ctx, env);
    this.actor = new Actor(ctx, {
      stream: `counter/${ctx.id.name}`,
      fold: tally,
      migrations: MIGRATIONS,
      relay: relayOf(env, ctx),
      growth: { ...growth, size: () => growth.size() },
      onTimer: (timer) => {
        this.fired.push(timer);
        return this.onTimer(timer);
      },
    });
  }

  /** Adds in the next group commit; the new total. */
  add(amount: string, note: string | null = null): Promise<string> {
    return this.actor.submit((turn) => {
      turn.append("counter.added", { amount, note }, META);
      return String(turn.state.total);
    });
  }

  /** Adds in a commit of its own. */
  addNow(amount: string, note: string | null = null): string {
    return this.actor.turn((turn) => {
      turn.append("counter.added", { amount, note }, META);
      return String(turn.state.total);
    });
  }

  total(): string {
    return String(this.actor.state.total);
  }

  commits(): number {
    return this.ctx.storage.sql.exec<{ n: number }>("SELECT n FROM commits").one().n;
  }

  override async alarm(delivery?: AlarmInvocationInfo): Promise<void> {
    await this.actor.alarm(delivery);
  }
}
