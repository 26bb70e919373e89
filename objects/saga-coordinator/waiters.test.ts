import { beforeEach, describe, expect, it } from "vitest";
import type { Saga } from "../../schema/sagas.ts";
import { beginCharge } from "./testing/fixtures.ts";
import { Simulator } from "./testing/simulator.ts";
import { Waiters } from "./waiters.ts";

const saga = beginCharge("wallet");
const ended: Saga = { ...saga, status: "completed" };
const hasEnded = (one: Saga) => one.status === "completed";

let sim: Simulator;
beforeEach(() => {
  sim = new Simulator(() => 0);
});

describe("whoever waits for a saga", () => {
  it("does not, when it is far enough already", async () => {
    const waiters = new Waiters((ms, over) => sim.after(ms, over));
    expect(await waiters.until(saga.id, () => ended, hasEnded, 1_000)).toBe(ended);
    expect(waiters.has(saga.id)).toBe(false);
  });

  it("hears of it as soon as it is", async () => {
    const waiters = new Waiters((ms, over) => sim.after(ms, over));
    const heard = waiters.until(saga.id, () => saga, hasEnded, 1_000);
    expect(waiters.has(saga.id)).toBe(true);
    waiters.notify({ ...saga, epoch: 2 });
    waiters.notify(ended);
    expect(await heard).toBe(ended);
    expect(waiters.has(saga.id)).toBe(false);
    // Nobody is left who would end its patience.
    expect(await sim.step()).toBe(false);
  });

  it("gets it as it is when patience ends", async () => {
    const waiters = new Waiters((ms, over) => sim.after(ms, over));
    let now = saga;
    const heard = waiters.until(saga.id, () => now, hasEnded, 1_000);
    now = { ...saga, epoch: 9 };
    await sim.step();
    expect((await heard).epoch).toBe(9);
  });

  it("is not alone: all hear, each to its own patience", async () => {
    const waiters = new Waiters((ms, over) => sim.after(ms, over));
    const short = waiters.until(saga.id, () => saga, hasEnded, 10);
    const long = waiters.until(saga.id, () => saga, hasEnded, 1_000);
    await sim.step();
    expect(await short).toBe(saga);
    expect(waiters.has(saga.id)).toBe(true);
    waiters.notify(ended);
    expect(await long).toBe(ended);
    expect(waiters.has(saga.id)).toBe(false);
  });
});
