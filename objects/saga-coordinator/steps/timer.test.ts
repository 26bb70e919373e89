import { describe, expect, it } from "vitest";
import type { Saga } from "../../../schema/sagas.ts";
import { perform } from "../calls/perform.ts";
import { advance, cancel, nextLook, takeUp } from "../decide.ts";
import { operate } from "../operate.ts";
import { T0, told, upTo } from "../testing/fixtures.ts";
import { beginKind, DUE_AT } from "../testing/kind-fixtures.ts";
import { DUE, RESTED } from "../testing/kinds.ts";
import { scripted } from "../testing/port.ts";
import { tick } from "./timer.ts";

const looked = async (saga: Saga, now: number): Promise<Saga> =>
  told(saga, await perform(saga, scripted({}, now).port), now);
const at = (saga: Saga) => saga.steps[saga.cursor];

describe("a timer", () => {
  it.each([
    ["at a moment of the saga's input", DUE, "due", DUE_AT, "decide"],
    ["a fixed time after its begin", RESTED, "rest", T0 + 5_000, "post"],
  ] as const)("%s ends by itself then, and not a millisecond before", async (_name, definition, name, moment, next) => {
    const asleep = await looked(upTo(beginKind(definition), name), T0);
    expect(asleep.status).toBe("waiting");
    expect(at(asleep)).toMatchObject({ name, phase: "wait", next_at: new Date(moment).toISOString() });
    expect(nextLook(asleep, T0, 10_000)).toBe(moment);
    expect(takeUp(asleep, moment - 1)).toBeNull();
    const awake = takeUp(asleep, moment) as Saga;
    expect(at(awake)).toMatchObject({ name, phase: "forward", next_at: null });
    expect(at(await looked(awake, moment))?.name).toBe(next);
  });

  it("whose moment has gone by does not wait for it", async () => {
    expect(at(await looked(upTo(beginKind(DUE), "due"), DUE_AT + 1))?.name).toBe("decide");
  });

  it("that a clock rang too early for sleeps on", async () => {
    const asleep = await looked(upTo(beginKind(DUE), "due"), T0);
    const again = await looked(takeUp(asleep, DUE_AT) as Saga, DUE_AT - 3);
    expect(at(again)).toMatchObject({ name: "due", phase: "wait", next_at: new Date(DUE_AT).toISOString() });
  });

  it("that is taken up after a crash in its first moment sleeps on", async () => {
    const intent = upTo(beginKind(DUE), "due");
    const again = await looked(takeUp(intent, T0 + 9) as Saga, T0 + 9);
    expect(at(again)?.next_at).toBe(new Date(DUE_AT).toISOString());
  });

  it("is passed at once on the way back: it holds nothing", async () => {
    const asleep = await looked(upTo(beginKind(DUE), "due"), T0);
    const back = cancel(asleep, T0 + 1) as Saga;
    expect(at(back)).toMatchObject({ name: "reserve", phase: "compensate" });
    expect(back.steps[1]).toMatchObject({ ended_at: new Date(T0 + 1).toISOString(), next_at: null });
  });

  it("is not put off by an operator who has it tried again", async () => {
    const asleep = await looked(upTo(beginKind(RESTED), "rest"), T0);
    const facts = { by: "op", now: T0 + 4_000, cutEpoch: 1, straySaga: "" };
    const operated = operate(asleep, { action: "retry", note: null }, facts);
    if (!operated.ok || operated.saga === null) throw new Error("was not tried again");
    expect(at(await looked(operated.saga, T0 + 4_000))?.next_at).toBe(new Date(T0 + 5_000).toISOString());
  });

  it("for no moment at all is a bug, and a person's to look at", () => {
    const saga = upTo(beginKind(DUE), "due");
    const move = tick(saga, { type: "timer", ends: { at: () => Number.NaN } }, T0);
    const parked = advance(saga, { step: saga.cursor, epoch: saga.epoch, ...move }, T0, 1);
    expect(parked).toMatchObject({ status: "parked", parked_reason: "due: no such moment" });
  });
});
