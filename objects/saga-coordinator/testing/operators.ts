import { chargeInput } from "../../../schema/charges.ts";
import { canonicalJson } from "../../../schema/events.ts";
import type { KeyedAnswer } from "../../../schema/rpc/actor.ts";
import type { OperatedSaga, OperateSaga } from "../../../schema/rpc/coordinator.ts";
import { operationsOf } from "../../../schema/saga-operations.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { operateSaga } from "../operations.ts";
import type { Client } from "./clients.ts";
import type { Token } from "./provider.ts";
import type { Shard } from "./shard.ts";
import type { World } from "./world.ts";

/** Instruments that give operators something to do. */
export const TROUBLESOME: readonly Token[] = [
  "tok_wrong_amount",
  "tok_hidden",
  "tok_async_silent",
  "tok_timeout_then_captured",
  "tok_timeout_then_failed",
  "tok_5xx_for_ever",
];

/** An operator's word, given as the object would take it, under a key. */
export const say = (
  { parts }: Shard,
  saga: Saga,
  by: string,
  command: OperateSaga,
  key: string,
): Promise<KeyedAnswer<OperatedSaga>> => {
  const scope = { subject: by, command: `saga.${command.action}`, key, request: canonicalJson(command) };
  const meta = { principal: { user: by, client_id: "test" }, correlation: key, causation: null };
  return operateSaga({ ...parts, sql: parts.actor.sql }, saga.id, command, scope, 1_000, meta);
};

/** What an operator finds in the provider's books: a capture of the right amount is a success, anything else is none. */
const verdictOn = (world: World, saga: Saga, isMistaken: boolean): OperateSaga => {
  const { charge, amount } = chargeInput(saga);
  const [captured] = world.provider.captures(charge);
  const seen = { action: "resolve", step: "capture", note: "looked it up" } as const;
  if (captured === undefined || captured.amount.amount !== amount.amount || isMistaken)
    return { ...seen, verdict: "declined", provider_ref: null };
  return { ...seen, verdict: "succeeded", provider_ref: captured.id };
};

const wordFor = (world: World, saga: Saga): OperateSaga | null => {
  const { random } = world;
  const possible = operationsOf(saga);
  if (possible.length === 0) return null;
  const action = possible.includes("resolve") && random.chance(0.7) ? "resolve" : random.pick(possible);
  return action === "resolve" ? verdictOn(world, saga, random.chance(0.2)) : { action, note: null };
};

/** Operators who do at random what they may, two of them at times at once, until the world heals. */
export const meddle = (world: World, untilMs: number): void => {
  const { random, sim } = world;
  const end = sim.now + untilMs;
  const look = (): void => {
    if (sim.now > end) return;
    const shard = random.pick(world.shards);
    const open = shard.sagas.filter((saga) => operationsOf(saga).length > 0);
    for (const by of random.pick([["ann"], ["ann", "ben"]])) {
      if (open.length === 0) break;
      const saga = random.pick(open);
      const word = wordFor(world, saga);
      if (word !== null) world.at(shard, () => void say(shard, saga, by, word, `${by}-${random.int(2 ** 30)}`));
    }
    sim.after(50 + random.int(1_000), look, null);
  };
  sim.after(random.int(1_000), look, null);
};

/** Two operators who see to it that whatever is parked in a shard is resolved, each under one key until it has been taken. */
export const resolveParked = (world: World, shard: Shard): Client => {
  const client: Client = { name: "operators", shard, answers: [], done: false };
  const look = (): void => {
    const [parked] = shard.sagas.filter(({ status }) => status === "parked");
    if (parked === undefined) {
      client.done = shard.sagas.some(({ words }) => words !== undefined);
    } else {
      for (const by of ["ann", "ben"]) {
        const word = verdictOn(world, parked, false);
        world.at(shard, () => void say(shard, parked, by, word, `${by}-of-${parked.id}`));
      }
    }
    if (!client.done) world.sim.after(700, look, null);
  };
  world.sim.after(700, look, null);
  return client;
};
