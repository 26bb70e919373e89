import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { grown, readBudget } from "../../bench/cost/budget.ts";
import { FLOWS } from "../../bench/cost/flows.ts";
import { METERED, type Measured, measureAll } from "../../bench/cost/measure.ts";
import { api } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";

let server: Server;
let measured: Measured[];
/** Every round of every flow waits until all that it sent was consumed: on a busy machine that adds up. Milliseconds. */
const MEASURED_MS = 480_000;
beforeAll(async () => {
  server = await startServer({ env: METERED });
  measured = await measureAll(server);
}, MEASURED_MS);
afterAll(() => server?.[Symbol.asyncDispose]());

describe("what a payment costs", () => {
  test("is no more than the table says; `npm run cost -- --update` changes the table", () => {
    expect(grown(measured, readBudget())).toEqual([]);
  });

  test("is measured for every flow of the table, and the table has no other", () => {
    expect(Object.keys(readBudget())).toEqual(FLOWS.map(({ name }) => name));
  });

  test("is noticed when an actor is called once more than it was", () => {
    const [alone] = measured;
    if (alone === undefined) throw new Error("nothing was measured");
    const dearer = { ...alone, unit: { ...alone.unit, calls: alone.unit.calls + 1 } };
    expect(grown([dearer], readBudget())).toHaveLength(1);
  });

  test("shares commits among those in flight: a crowd on one pod needs less than half of one alone, each", () => {
    const [alone, crowded] = measured;
    expect((crowded?.unit.commits ?? Infinity) * 2).toBeLessThan(alone?.unit.commits ?? 0);
  });
});

test("a server that was not asked to count has no meter", async () => {
  await using plain = await startServer();
  expect((await api(plain.url).get("/meter")).status).toBe(404);
});
