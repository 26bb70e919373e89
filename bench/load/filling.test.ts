import { expect, test } from "vitest";
import { type Filler, Filling } from "./filling.ts";

/** A clock that each addition moves on by a second. */
const clocked = (each: number, inFlight: number) => {
  const clock = { ms: 0 };
  const sizes: number[] = [];
  const filler: Filler = {
    each,
    inFlight,
    add: async (count) => {
      sizes.push(count);
      await Promise.resolve();
      clock.ms += 1_000;
    },
  };
  return { clock, sizes, filler };
};

test("a pool is filled to the last payment, the last batch being as small as what is missing", async () => {
  const { clock, sizes, filler } = clocked(1_000, 4);
  const filling = new Filling(180, () => clock.ms);
  expect(await filling.fill(2_500, filler)).toEqual({ added: 2_500, seconds: 3 });
  expect(sizes).toEqual([1_000, 1_000, 500]);
  expect(await filling.fill(-3, filler)).toEqual({ added: 0, seconds: 0 });
});

test("filling ends with its time, and says how many payments it got to", async () => {
  const { clock, filler } = clocked(10, 2);
  expect(await new Filling(5, () => clock.ms).fill(1_000, filler)).toEqual({ added: 60, seconds: 6 });
});

test("what passes between two fillings takes none of their time", async () => {
  const { clock, filler } = clocked(10, 1);
  const filling = new Filling(5, () => clock.ms);
  expect(await filling.fill(30, filler)).toEqual({ added: 30, seconds: 3 });
  clock.ms += 60_000;
  expect(await filling.fill(1_000, filler)).toEqual({ added: 20, seconds: 2 });
  expect(await filling.fill(1_000, filler)).toEqual({ added: 0, seconds: 0 });
});

test("a payment that is refused ends the filling", async () => {
  const add = async () => {
    throw new Error("503 overloaded");
  };
  await expect(new Filling(5).fill(10, { each: 1, inFlight: 2, add })).rejects.toThrow("503 overloaded");
});
