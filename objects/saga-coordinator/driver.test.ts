import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Saga } from "../../schema/sagas.ts";
import { Driver } from "./driver.ts";
import { SAGA_TIMER, TELL_TIMER, WATCH_TIMER } from "./journal.ts";
import type { Shard } from "./testing/shard.ts";
import { charge, fund, POD, transfer } from "./testing/stories.ts";
import { World } from "./testing/world.ts";

vi.spyOn(console, "error").mockReturnValue(undefined);

let world: World;
let shard: Shard;
beforeEach(() => {
  world = new World({ seed: 3 });
  fund(world);
  [shard] = world.shards as [Shard];
});
afterEach(() => world.close());

const timersOf = (kind: string) =>
  shard.disk.storage.sql.exec("SELECT key, due_at FROM timers WHERE kind = ?", kind).toArray();
const timers = () => timersOf(SAGA_TIMER);
const only = (): Saga => shard.sagas[0] as Saga;
const begun = async (): Promise<Saga> => {
  await world.run(1_000, () => shard.sagas.length > 0);
  return only();
};
/** Runs something in the shard and lets the world settle. */
const inShard = async (run: () => Promise<unknown>): Promise<void> => {
  let done = false;
  world.at(shard, () => void run().finally(() => (done = true)));
  await world.run(60_000, () => done);
};

describe("a live saga", () => {
  it("is watched from its first entry to its last, and nothing is left of that after it", async () => {
    charge(world, shard, "tok_ok", 2_000n, 0);
    await begun();
    expect([timers().length, timersOf(WATCH_TIMER).length, shard.forgotten()]).toEqual([0, 1, []]);
    await world.run(60_000, () => shard.isIdle);
    expect(only().status).toBe("completed");
    await world.run(60_000, () => false);
    expect([timers(), timersOf(WATCH_TIMER)]).toEqual([[], []]);
  });

  it("has a timer of its own while it waits for a moment of its own", async () => {
    charge(world, shard, "tok_ok", 700_000n, 0);
    await begun();
    await world.run(60_000, () => only().status === "waiting");
    expect(timers()).toMatchObject([{ key: only().id }]);
  });

  it("that its drive has let go of is taken up by the watch", async () => {
    transfer(world, shard, "one", 2_000n, 0);
    await world.run(1_000, () => shard.sagas.length > 0);
    // A drive that breaks off leaves the intent in the journal and nothing else: as if its process had gone without a restart.
    shard.crash();
    const resume = vi.spyOn(Driver.prototype, "resume").mockResolvedValue();
    void shard.parts;
    expect(resume).toHaveBeenCalledOnce();
    resume.mockRestore();
    await world.run(60_000, () => shard.isIdle);
    expect(only().status).toBe("completed");
  });

  it("that is stopped for a person is not looked at again", async () => {
    charge(world, shard, "tok_wrong_amount", 2_000n, 0);
    await begun();
    await world.run(60_000, () => shard.isIdle);
    expect([only().status, timers()]).toEqual(["parked", []]);
  });

  it("is watched though more pods than timers run at once do not answer what they are told, and those are told in the end", async () => {
    for (let each = 0; each < 6; each++) charge(world, shard, "tok_wrong_amount", 2_000n, 0);
    await world.run(60_000, () => shard.sagas.length === 6 && shard.isIdle && shard.hasTold);
    const parked = shard.sagas.map(({ id }) => id);
    charge(world, shard, "tok_ok", 2_000n, 0);
    await world.run(5_000, () => shard.sagas.length > 6);
    const silent = vi.spyOn(world.network, "call").mockReturnValue(new Promise(() => undefined));
    world.at(shard, () => {
      const { actor } = shard.parts;
      actor.turn((turn) => {
        for (const id of parked) turn.timers.set(TELL_TIMER, id, turn.now);
      });
    });
    await world.run(25_000, () => false);
    expect(timersOf(WATCH_TIMER)[0]?.due_at).toBeGreaterThan(world.sim.now);
    expect(shard.hasTold).toBe(false);
    silent.mockRestore();
    await world.run(120_000, () => shard.isIdle && shard.hasTold);
    expect([shard.isIdle, shard.hasTold]).toEqual([true, true]);
  });

  it("that nobody answers is tried at growing gaps, and not more often however long it takes", async () => {
    charge(world, shard, "wallet", 2_000n, 0);
    await begun();
    world.network.faults = { ...world.network.faults, lost: 1 };
    const before = world.sim.happened;
    await world.run(3_600_000, () => false);
    const attempts = Math.max(...only().steps.map((step) => step.attempts));
    // A gap is a minute at most, and half of that by chance.
    expect(attempts).toBeGreaterThan(90);
    expect(attempts).toBeLessThan(170);
    // Besides the tries there is the client, who asks every 75 seconds.
    expect(world.sim.happened - before).toBeLessThan(3_000);
    world.network.heal();
    await world.run(120_000, () => shard.isIdle);
    expect(only().status).toBe("completed");
  });

  it("that waits for a person costs nothing while it waits", async () => {
    charge(world, shard, "tok_ok", 700_000n, 0);
    await begun();
    await world.run(60_000, () => only().status === "waiting");
    await world.run(60_000, () => false);
    const entries = shard.disk.journal.length;
    const before = world.sim.happened;
    await world.run(6 * 86_400_000, () => false);
    expect(shard.disk.journal).toHaveLength(entries);
    // Its own timer stands at the deadline; what is left is the shard's housekeeping, four times a day.
    expect(world.sim.happened - before).toBeLessThan(200);
    await world.run(2 * 86_400_000, () => shard.isIdle);
    expect(only()).toMatchObject({ status: "compensated", failure: { cause: "failed", code: "expired" } });
  });

  it("is driven once, though alarm and restart both find it", async () => {
    charge(world, shard, "tok_hidden", 2_000n, 0);
    await begun();
    world.crash(shard, "lost", 20_000);
    await world.run(60_000, () => shard.isIdle);
    const { epoch, steps } = only();
    // One entry a step and the capture's questions; a saga driven twice would bump its epoch for nothing.
    expect(epoch).toBeLessThan(14);
    expect(steps.map(({ status }) => status)).toEqual(["done", "done", "skipped", "done", "done", "done", "done"]);
  });
});

describe("one saga's bug", () => {
  const broken = () => {
    throw new TypeError("a bug in the rules");
  };

  it("stops that saga, for a person to look at, and nobody else", async () => {
    charge(world, shard, "tok_async", 2_000n, 0);
    transfer(world, shard, "one", 2_000n, 0);
    await world.run(2_000, () => false);
    const saga = shard.sagas.find(({ kind }) => kind === "charge") as Saga;
    await inShard(() => shard.parts.driver.change(saga.id, broken));
    expect(shard.saga(saga.id)).toMatchObject({ status: "parked", parked_reason: "internal: TypeError" });
    await world.run(60_000, () => shard.isIdle);
    expect(shard.sagas.map(({ status }) => status).sort()).toEqual(["completed", "parked"]);
  });

  it("cannot reopen what has ended", async () => {
    charge(world, shard, "tok_ok", 2_000n, 0);
    const { id } = await begun();
    await world.run(60_000, () => shard.isIdle);
    await inShard(() => shard.parts.driver.change(id, broken).catch(() => undefined));
    expect(shard.saga(id)?.status).toBe("completed");
  });

  it("in a version that is gone parks the saga when it is taken up, and the shard lives on", async () => {
    charge(world, shard, "tok_async", 2_000n, 0);
    const saga = await begun();
    const { sql } = shard.disk.storage;
    sql.exec("UPDATE sagas SET doc = ? WHERE id = ?", JSON.stringify({ ...saga, version: 9 }), saga.id);
    await inShard(() => shard.parts.driver.look(saga.id).then(() => shard.parts.driver.look(saga.id)));
    await world.run(20_000, () => false);
    expect(shard.saga(saga.id)).toMatchObject({ status: "parked" });
    transfer(world, shard, "one", 2_000n, 0);
    await world.run(60_000, () => shard.sagas.some(({ status }) => status === "completed"));
    expect(world.accounts.get(`wallet:alice:EUR`).balance).toBe(98_000n);
  });
});

describe("a saga nobody knows", () => {
  it("is no reason to fail, and its timer goes", async () => {
    const { actor } = shard.parts;
    actor.turn((turn) => turn.timers.set(SAGA_TIMER, "sag_gone", turn.now));
    await world.run(1_000, () => false);
    expect(timers()).toEqual([]);
    expect(world.pods.get(POD).permits.size).toBe(0);
  });
});
