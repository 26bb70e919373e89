import type { Client } from "./clients.ts";
import { checkEnd } from "./invariants.ts";
import { answerWaits, cancelOnce, FOLLOWED, KIND_CALLS, KINDS, startKind } from "./kinds.ts";
import { say } from "./operators.ts";
import { allEnded, FAULTS, fund, HEALED_MS, type Verdict, verdictOn } from "./stories.ts";
import { World } from "./world.ts";

/** Operators who take up whatever is parked, again and again: in these sagas that is only what took too long. */
const retryParked = (world: World): void => {
  const look = (): void => {
    for (const shard of world.shards) {
      for (const saga of shard.sagas) {
        if (saga.status !== "parked") continue;
        const key = `retry-${saga.id}-${saga.epoch}`;
        world.at(shard, () => void say(shard, saga, "ann", { action: "retry", note: null }, key));
      }
    }
    world.sim.after(4_000, look, null);
  };
  world.sim.after(4_000, look, null);
};

/** A random history of sagas with steps of every kind: everything going wrong, shards dying, then a world that has healed. */
export const stormOfKinds = async (seed: number): Promise<Verdict> => {
  const world = new World({ seed, shards: 2, faults: FAULTS, shuffled: true, calls: KIND_CALLS });
  const { random, sim, network } = world;
  fund(world);
  const clients: Client[] = [];
  const words = new Map<string, "approve" | "decline" | null>();
  // What is decided is delivered sooner or later; what is not is approved, declined or forgotten.
  answerWaits(world, (saga) => {
    if (saga.steps[saga.cursor]?.name === "delivery") return random.chance(0.2) ? "approve" : null;
    const said = words.get(saga.id);
    if (said !== undefined) return said;
    const says = random.pick(["approve", "approve", "decline", null] as const);
    words.set(saga.id, says);
    return says;
  });
  retryParked(world);
  const soon = (withinMs: number, run: () => void): void => void sim.after(random.int(withinMs), run, null);
  for (let left = 2 + random.int(2); left > 0; left--) {
    soon(8_000, () => {
      const kind = random.pick(KINDS);
      // What follows a decision must not be refused, or a person has to find out why.
      const minor = kind === FOLLOWED ? 1n : BigInt(random.pick([1, 2_000, 60_000]));
      const client = startKind(world, random.pick(world.shards), kind, minor);
      clients.push(client);
      const patience = sim.now + random.int(8_000);
      if (random.chance(0.4)) cancelOnce(world, client, () => sim.now >= patience);
    });
  }
  if (random.chance(0.3)) soon(6_000, () => (world.accounts.get("wallet:bob:EUR").closed = true));
  for (let left = random.int(4); left > 0; left--) {
    soon(15_000, () =>
      world.crash(random.pick(world.shards), random.pick(["kept", "lost", "late"]), random.int(12_000)),
    );
  }
  sim.after(20_000, () => network.heal(), null);
  const parked = (): boolean => world.shards.some(({ sagas }) => sagas.some(({ status }) => status === "parked"));
  await world.run(30_000, () => false);
  const ended = allEnded(world, clients);
  await world.run(HEALED_MS, () => ended() && !parked());
  if (parked()) world.violated("something is parked for ever");
  checkEnd(world, clients);
  const found = verdictOn(world);
  world.close();
  return found;
};
