import { runInDurableObject } from "cloudflare:test";
import { env as untypedEnv } from "cloudflare:workers";
import { GENESIS_HASH } from "../../../schema/events.ts";
import readModel from "../../../schema/migrations/0000_read_model.sql";
import { PROJECTOR } from "../../../schema/read-model.ts";
import { type Counter, type CounterEnv, META } from "./counter.ts";

/** How the kit's tests get at their counters. */

export const env = untypedEnv as unknown as CounterEnv;

/** The read model's tables. The files of one run share a database: the first to come makes them. */
export const makeReadModel = async (): Promise<void> => {
  const made = await env.READ_MODEL.prepare("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'").first();
  if (made !== null) return;
  await env.READ_MODEL.batch(
    readModel.split("--> statement-breakpoint").map((statement) => env.READ_MODEL.prepare(statement)),
  );
};

let last = 0;
/** A counter nobody used before. `file`: names of one test file are not another's. */
export const newName = (file = "counter") => `${file}-${++last}`;
export const at = (name: string) => env.COUNTERS.getByName(name);

export const inside = <R>(
  name: string,
  work: (counter: Counter, ctx: DurableObjectState) => R | Promise<R>,
): Promise<R> => runInDurableObject<Counter, R>(at(name), work);

/** What a promise was rejected with. Fails when it was not. */
export const failure = async (work: () => unknown): Promise<unknown> => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
};

/** The whole log, verified from genesis in one call. */
export const verify = (name: string) => inside(name, ({ actor }) => actor.reads.verifyLog(0, GENESIS_HASH, 1_000));

/** Adds `count` times 1 in one commit. */
export const fill = (name: string, count: number, note: string | null = null) =>
  inside(name, ({ actor }) =>
    actor.turn((turn) => {
      for (let i = 0; i < count; i++) turn.append("counter.added", { amount: "1", note }, META);
    }),
  );

export const rows = (ctx: DurableObjectState, query: string, ...bindings: (string | number)[]) =>
  ctx.storage.sql.exec(query, ...bindings).toArray();

/** Moves the projector's checkpoint of a counter's stream. */
export const checkpoint = (name: string, seq: number) =>
  env.READ_MODEL.prepare("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, '', '')")
    .bind(`counter/${name}`, PROJECTOR, seq)
    .run();
